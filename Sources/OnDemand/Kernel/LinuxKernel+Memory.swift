import CLinux

/// Returning memory before a long sleep.
extension LinuxKernel {
    /// Frees heap memory and clean pages. Startup and reading a configuration touch megabytes of code that sleep does
    /// not need: the Swift runtime reads every conformance before its first dictionary. These pages are clean copies of
    /// files. Unmapped, they stay in the page cache, where the system may reclaim them, and needed ones return without
    /// a read (madvise(2), MADV_DONTNEED).
    func trimMemory() {
        malloc_trim(0)
        // Last, because later code maps its own pages again.
        ondemandd_give_back_clean_pages()
    }
}
