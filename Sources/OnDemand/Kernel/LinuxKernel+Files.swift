import CLinux
import Glibc

/// The few files that the daemon keeps for itself.
extension LinuxKernel {
    var workingDirectory: String? {
        guard let path = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    func beginning(ofFile path: String, atMost limit: Int) -> [UInt8]? {
        let raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        defer { _ = Glibc.close(raw) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = unsafe Glibc.read(raw, &bytes, limit)
        return count < 0 ? nil : Array(bytes[..<count])
    }

    func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
        // A pipe of that name must not make us wait for somebody who writes.
        let raw = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { throw SystemError(call: "open", code: .current, subject: path) }
        defer { _ = Glibc.close(raw) }
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else { throw SystemError(call: "stat", code: .current, subject: path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SystemError(call: "open", code: .notRegular, subject: path)
        }
        guard status.st_size <= limit else { throw SystemError(call: "read", code: .tooLarge, subject: path) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { room in
                unsafe Glibc.read(raw, room.baseAddress! + filled, room.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw SystemError(call: "read", code: .current, subject: path) }
            // Shorter than it was a moment ago.
            if count == 0 { break }
            filled += count
        }
        return Array(bytes[..<filled])
    }

    func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let new = "\(path).new"
        let raw = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o600)
        guard raw >= 0 else { throw SystemError(call: "open", code: .current, subject: new) }
        do throws(SystemError) {
            defer { _ = Glibc.close(raw) }
            try Self.write(bytes, to: raw, subject: new)
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
}
