import CLinux
import Glibc

/// Processes and their sockets from /proc (proc(5)).
extension LinuxKernel {
    func residentBytes(of process: ProcessID?) -> Int? {
        let name = process.map { "\($0.number)" } ?? "self"
        guard let statm = Self.contents(of: "/proc/\(name)/statm") else { return nil }
        let fields = statm.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    /// Returns false if the process or the system is out of descriptors.
    static func canOpenFiles() -> Bool {
        let raw = unsafe open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return errno != EMFILE && errno != ENFILE }
        _ = Glibc.close(raw)
        return true
    }

    /// All pids.
    static func processes() -> [Int32] { entries(of: "/proc").compactMap { Int32($0) } }

    static func name(of process: Int32) -> String {
        contents(of: "/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
    }

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

    /// The executable of this process (proc(5), /proc/PID/exe). nil: unknown.
    static var ownExecutable: String? {
        let path = linkTarget(of: "/proc/self/exe", atMost: Int(PATH_MAX))
        return path.isEmpty ? nil : path
    }

    /// A path that starts this program again: the link, which survives a replaced or removed file, or, without /proc,
    /// the path of this start.
    static func ownProgramPath() -> String {
        let connection = "/proc/self/exe"
        guard ownExecutable == nil, let started = unsafe ondemandd_started_path() else { return connection }
        return unsafe realPath(of: String(cString: started)) ?? connection
    }

    /// The absolute path without links and dots (realpath(3)). nil: no such file.
    static func realPath(of path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    static func linkTarget(of path: String, atMost limit: Int) -> String {
        var target = [UInt8](repeating: 0, count: limit)
        let count = unsafe target.withUnsafeMutableBytes { bytes in
            unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return String(decoding: target.prefix(max(count, 0)), as: UTF8.self)
    }
}
