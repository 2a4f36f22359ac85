import CLinux
import Glibc

/// Files and directories of /proc, which report no size (proc(5)).
enum ProcFile {
    /// Returns the first matching row and reads no further.
    static func firstRow(of path: String, where isWanted: ([Substring]) -> Bool) -> [Substring]? {
        var unfinished: [UInt8] = []
        var found: [Substring]?
        readPieces(of: path) { piece in
            unfinished += piece
            while found == nil, let end = unfinished.firstIndex(of: 0x0a) {
                let row = String(decoding: unfinished[..<end], as: UTF8.self).split(separator: " ")
                if isWanted(row) { found = row }
                unfinished.removeSubrange(...end)
            }
            return found == nil
        }
        return found
    }

    /// Reads to the end, because a file of /proc reports no size.
    static func contents(of path: String) -> String? {
        bytes(of: path).map { String(decoding: $0, as: UTF8.self) }
    }

    static func bytes(of path: String) -> [UInt8]? {
        var all: [UInt8] = []
        let isComplete = readPieces(of: path) { piece in
            all += piece
            return true
        }
        return isComplete ? all : nil
    }

    /// Reads until the end, or until `take` returns false. Returns false if the file is unreadable.
    @discardableResult
    private static func readPieces(of path: String, _ take: (ArraySlice<UInt8>) -> Bool) -> Bool {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        defer { _ = Glibc.close(raw) }
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = unsafe Glibc.read(raw, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return count == 0 }
            guard take(piece[..<count]) else { return true }
        }
    }

    static func entries(of directory: String) -> [String] {
        guard let handle = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func linkTarget(of path: String, atMost limit: Int) -> String {
        var target = [UInt8](repeating: 0, count: limit)
        let count = unsafe target.withUnsafeMutableBytes { bytes in
            unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return String(decoding: target.prefix(max(count, 0)), as: UTF8.self)
    }
}
