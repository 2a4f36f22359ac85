import CLinux

/// Giving memory back before a long sleep.
extension LinuxKernel {
    /// Starting, and reading a configuration, touch megabytes of code that sleeping does not need: the Swift runtime
    /// reads every conformance in the program before it makes its first dictionary. Those pages are clean copies of
    /// files. Unmapped they stay in the page cache, where the system may use the room for something else, and the few
    /// that are needed come back without a read (madvise(2), MADV_DONTNEED).
    func trimMemory() {
        malloc_trim(0)
        // Last of all: whatever runs after it brings its own pages back.
        ondemandd_give_back_clean_pages()
    }
}
