import CLinux
import Glibc

/// Log output to standard error or a file.
enum LogStream {
    /// Polls before each write, so that a stalled reader never blocks the daemon: a writable pipe accepts PIPE_BUF
    /// bytes at once (pipe(7)). Lines to a closed standard error are dropped.
    static func write(_ line: Span<UInt8>) -> Int {
        var taken = 0
        while taken < line.count {
            var standardError = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
            guard unsafe poll(&standardError, 1, 0) == 1 else { return taken }
            guard standardError.revents & Int16(POLLOUT) != 0 else { return line.count }
            let piece = line.extracting(taken..<min(taken + Int(PIPE_BUF), line.count))
            let written = unsafe piece.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard written > 0 else { return errno == EAGAIN || errno == EINTR ? taken : line.count }
            taken += written
        }
        return taken
    }

    /// journald names the device and inode of its stream. A process that inherits only the variable is not mistaken for
    /// one with the stream (systemd.exec(5), JOURNAL_STREAM).
    static var reader: LogReader {
        let variables = Dictionary(
            ProcessEnvironment.variables().map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        var status = stat()
        if let stream = variables["JOURNAL_STREAM"], unsafe fstat(STDERR_FILENO, &status) == 0,
            stream == "\(status.st_dev):\(status.st_ino)"
        {
            return .journal
        }
        guard isatty(STDERR_FILENO) == 1 else { return .other }
        return .terminal(Terminal(isTerminal: true, environment: variables))
    }

    /// O_NONBLOCK: opening a pipe must not wait for its reader.
    static func open(_ path: String) throws(SystemError) -> LogFile {
        let raw = unsafe Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
        guard raw >= 0 else { throw SystemError(call: "open", code: .current, subject: path) }
        var status = stat()
        guard unsafe fstat(raw, &status) == 0 else {
            let code = Errno.current
            _ = Glibc.close(raw)
            throw SystemError(call: "fstat", code: code, subject: path)
        }
        let isRenamed = name(of: raw, openedAs: path) != nil
        return LogFile(descriptor: Descriptor(raw: raw), byteCount: isRenamed ? UInt64(max(0, status.st_size)) : nil)
    }

    /// The name under which an open regular file can be renamed: the path itself, or the target of a link. nil for
    /// other kinds of files, for a link to a link such as `/dev/stdout`, and if the name belongs to another file by
    /// now.
    private static func name(of raw: Int32, openedAs path: String) -> String? {
        var opened = stat()
        guard unsafe fstat(raw, &opened) == 0 else { return nil }
        let isNamed = { (name: String) in
            var named = stat()
            return unsafe lstat(name, &named) == 0 && named.st_mode & S_IFMT == S_IFREG
                && (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
        }
        if isNamed(path) { return path }
        let target = ProcFile.linkTarget(of: path, atMost: Int(PATH_MAX))
        guard !target.isEmpty else { return nil }
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        let name = target.hasPrefix("/") ? target : folder + target
        return isNamed(name) ? name : nil
    }

    static func append(_ line: Span<UInt8>, to file: Descriptor) -> Int {
        var taken = 0
        while taken < line.count {
            let rest = line.extracting(taken..<line.count)
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file.raw, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return taken }
            taken += written
        }
        return taken
    }

    static func move(_ file: Descriptor, named path: String, suffix: String) throws(SystemError) {
        guard let name = name(of: file.raw, openedAs: path) else { return }
        guard unsafe Glibc.rename(name, name + suffix) == 0 else {
            throw SystemError(call: "rename", code: .current, subject: path)
        }
    }
}
