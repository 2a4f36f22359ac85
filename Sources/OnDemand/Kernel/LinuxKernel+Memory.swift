import CLinux
import Glibc

/// Giving memory back before a long sleep.
extension LinuxKernel {
    /// Starting, and reading a configuration, touch megabytes of code that sleeping does not need: the Swift runtime
    /// reads every conformance in the program before it makes its first dictionary. Those pages are clean copies of
    /// files. Unmapped they stay in the page cache, where the system may use the room for something else, and the few
    /// that are needed come back without a read (madvise(2), MADV_DONTNEED).
    func giveBackMemory() {
        // Last of all, because reading the table needs more memory than anything that went before.
        defer { malloc_trim(0) }
        guard let table = Self.bytes(of: "/proc/self/smaps") else { return }
        var mapping: Range<UInt>?
        // Two dozen lines follow each mapping, and one of them counts: the rest is not worth making text of.
        for line in table.split(separator: UInt8(ascii: "\n")) {
            if !Self.isField(line) {
                mapping = Self.cleanFileMapping(String(decoding: line, as: UTF8.self).split(separator: " "))
            } else if let range = mapping, line.starts(with: "Anonymous:".utf8),
                line.split(separator: UInt8(ascii: " "))[1].elementsEqual("0".utf8)
            {
                // Not one page of it was ever written to, so nothing can be lost.
                unsafe madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, Int32(MADV_DONTNEED))
            }
        }
    }

    /// `Rss: 12 kB`, and not the address that begins a mapping.
    private static func isField(_ line: ArraySlice<UInt8>) -> Bool {
        line.first.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 } == true
    }

    /// `7f00-7f10 r-xp 00000000 fe:00 1234 /usr/lib/libm.so.6`: where it lies, if it is a file mapped read-only.
    private static func cleanFileMapping(_ words: [Substring]) -> Range<UInt>? {
        guard words.count >= 6, words[1].hasPrefix("r-"), words[1].hasSuffix("p"), words[5].hasPrefix("/") else {
            return nil
        }
        let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
    }
}
