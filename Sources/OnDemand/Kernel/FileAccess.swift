import CLinux
import Glibc

/// Files of the daemon.
enum FileAccess {
    static var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    static func isSameFile(_ path: String, _ other: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard unsafe stat(path, &first) == 0, unsafe stat(other, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    static func beginning(ofProgramOf command: LaunchCommand, atMost limit: Int) -> [UInt8]? {
        guard let program = try? ProgramSearch.find(command) else { return nil }
        let path = program.hasPrefix("/") ? program : "\(command.workingDirectory)/\(program)"
        let raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        defer { _ = Glibc.close(raw) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = unsafe Glibc.read(raw, &bytes, limit)
        return count < 0 ? nil : Array(bytes[..<count])
    }

    /// Reads a regular file, whole.
    static func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
        let bytes = try beginning(ofFile: path, from: .file, atMost: limit + 1)
        guard bytes.count <= limit else { throw SystemError(call: "read", code: .tooLarge, subject: path) }
        return bytes
    }

    /// Reads a file that the configuration names.
    static func contents(ofFile path: String) throws(SystemError) -> [UInt8] {
        try contents(ofFile: path, atMost: Limits.environmentFileBytes)
    }

    /// Kinds of files that a path may name.
    enum ReadableSource {
        /// A regular file, or an empty device such as `/dev/null`.
        case file
        /// Also a stream that is read once: `/dev/stdin`, or a pipe of the shell such as `<(command)`.
        case fileOrPipe
    }

    /// Reads at most `limit` bytes without blocking. Each read from a pipe has its own timeout.
    static func beginning(
        ofFile path: String, from source: ReadableSource, atMost limit: Int
    ) throws(SystemError) -> [UInt8] {
        let raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { throw SystemError(call: "open", code: .current, subject: path) }
        defer { _ = Glibc.close(raw) }
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw SystemError(call: "stat", code: .current, subject: path) }
        let kind = status.st_mode & S_IFMT
        if kind == S_IFDIR { throw SystemError(call: "open", code: .isDirectory, subject: path) }
        guard kind == S_IFREG || source == .fileOrPipe || (kind == S_IFCHR && isEmpty(raw)) else {
            throw SystemError(call: "open", code: .notRegular, subject: path)
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(limit, 16 * 1024))
        while bytes.count < limit {
            if kind != S_IFREG, !hasSomething(raw, within: Limits.pipePatience) {
                throw SystemError(call: "read", code: .timedOut, subject: path)
            }
            let count = unsafe Glibc.read(raw, &piece, min(piece.count, limit - bytes.count))
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else { throw SystemError(call: "read", code: .current, subject: path) }
            if count == 0 { break }
            bytes += piece[..<count]
        }
        return bytes
    }

    private static func isEmpty(_ raw: Int32) -> Bool {
        var byte: UInt8 = 0
        return unsafe Glibc.read(raw, &byte, 1) == 0
    }

    /// Whether bytes or the end are available.
    private static func hasSomething(_ raw: Int32, within timeout: Duration) -> Bool {
        var readable = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
        let count = unsafe poll(&readable, 1, Int32(timeout.wholeMilliseconds))
        return count > 0 || (count < 0 && errno == EINTR)
    }

    static func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let new = "\(path).new"
        var status = stat()
        if unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw SystemError(call: "rename", code: .notRegular, subject: path)
        }
        let raw = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw SystemError(call: "open", code: .current, subject: new) }
        do throws(SystemError) {
            defer { _ = Glibc.close(raw) }
            try write(bytes, to: raw, subject: new)
        } catch {
            _ = unsafe unlink(new)
            throw error
        }
        guard unsafe rename(new, path) == 0 else {
            let error = SystemError(call: "rename", code: .current, subject: path)
            _ = unsafe unlink(new)
            throw error
        }
    }

    private static func write(_ bytes: [UInt8], to raw: Int32, subject: String) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { rest in
                unsafe Glibc.write(raw, rest.baseAddress! + written, rest.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError(call: "write", code: .current, subject: subject) }
            written += count
        }
    }

    /// The absolute path without links and dots (realpath(3)). nil: no such file.
    static func realPath(of path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }
}
