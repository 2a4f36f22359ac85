import CLinux
import Glibc

/// Starting, reaping and signals. The cost of a spawn does not depend on the daemon's size, because no page table is
/// copied.
extension LinuxKernel {
    func spawn(
        _ command: LaunchCommand, inheriting listener: Descriptor? = nil
    ) throws(SystemError) -> SpawnedProcess {
        let executable = try findExecutable(command)
        let output = try openPipe()
        let errors: (read: Int32, write: Int32)
        do throws(SystemError) { errors = try openPipe() } catch {
            closeBoth(output)
            throw error
        }
        if let listener { setBlocking(listener, true) }
        defer {
            _ = Glibc.close(output.write)
            _ = Glibc.close(errors.write)
        }
        let process: Int32
        let launch = launches.nextNumber
        do throws(SystemError) {
            process = try start(executable, command, [nullDevice, output.write, errors.write], listener, launch)
        } catch {
            _ = Glibc.close(output.read)
            _ = Glibc.close(errors.read)
            throw error
        }
        launches.began(process, start: Self.facts(of: process)?.start)
        return SpawnedProcess(
            process: ProcessID(number: process, launch: launch), output: Descriptor(raw: output.read),
            errors: Descriptor(raw: errors.read))
    }

    /// `terminal`: the path of the controlling terminal, which is descriptors 0 to 2. nil: `standard` are.
    func start(
        _ executable: String, _ command: LaunchCommand, _ standard: [Int32], _ listener: Descriptor?, _ launch: UInt64,
        terminal: String? = nil
    ) throws(SystemError) -> Int32 {
        let mark = mark(ofLaunch: launch)
        let variables = command.environment.map { "\($0.name)=\($0.value)" } + ["\(LaunchMark.variable)=\(mark.text)"]
        // LISTEN_PID is the pid of the process itself, so only that process can write it: a stub of this executable
        // sets it and executes the program. The daemon's own LISTEN_FDS is not inherited.
        let stub = listener == nil ? nil : ownProgram
        if stub != nil { try checkExecutable(executable, from: command.workingDirectory) }
        let words = (stub == nil ? [] : ["ondemandd", HiddenMode.inheriting.rawValue, executable]) + [command.command]
        let process = unsafe withCStrings(words + command.arguments) { arguments in
            unsafe withCStrings(variables) { ours in
                var environment =
                    unsafe inheritedVariables(besides: command.environment, hasTerminal: terminal != nil) + ours
                return unsafe environment.withUnsafeMutableBufferPointer { environment in
                    unsafe spawn(
                        stub ?? executable, arguments.baseAddress!, environment.baseAddress!,
                        SpawnSettings(
                            directory: command.workingDirectory,
                            descriptors: standard + (listener.map { [$0.raw] } ?? []),
                            mark: marksByLimit ? mark.limit : 0, terminal: terminal))
                }
            }
        }
        guard process < 0 else { return process }
        throw failure(Errno(number: -process), executable, in: command.workingDirectory)
    }

    /// Parameters of posix_spawn(3) besides the program.
    struct SpawnSettings {
        let directory: String
        /// Descriptors 0, 1, 2 and optionally 3.
        let descriptors: [Int32]
        /// The soft limit that marks the process. 0: none.
        let mark: UInt64
        var blocksSignals = false
        /// Path of the terminal that is descriptors 0 to 2; nil: `descriptors` are.
        var terminal: String?
    }

    /// Returns the pid or a negative errno value. The steps are in CLinux/launch.h.
    func spawn(
        _ path: String, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, _ settings: SpawnSettings
    ) -> Int32 {
        // Sources among the target numbers are duplicated first.
        let copies = settings.descriptors.map { $0 < 4 ? fcntl($0, F_DUPFD_CLOEXEC, 4) : $0 }
        defer {
            for (copy, original) in zip(copies, settings.descriptors) where copy != original && copy >= 0 {
                _ = Glibc.close(copy)
            }
        }
        guard !copies.contains(where: { $0 < 0 }) else { return -EMFILE }
        var launch = unsafe ondemandd_launch()
        if settings.terminal == nil {
            unsafe launch.descriptors = (copies[0], copies[1], copies[2], copies.count > 3 ? copies[3] : -1)
        }
        unsafe launch.file_limit = originalFileLimit
        unsafe launch.timer_slack = originalTimerSlack
        unsafe launch.ignored_signals = ignoredSignals
        unsafe launch.mark = settings.mark
        unsafe launch.blocks_signals = settings.blocksSignals ? 1 : 0
        unsafe launch.arguments = UnsafePointer(arguments)
        unsafe launch.environment = UnsafePointer(environment)
        return unsafe path.withCString { path in
            unsafe settings.directory.withCString { directory in
                unsafe launch.path = path
                unsafe launch.directory = directory
                guard let terminal = settings.terminal else { return unsafe ondemandd_spawn(&launch) }
                return unsafe terminal.withCString { terminal in
                    unsafe launch.terminal = terminal
                    return unsafe ondemandd_spawn(&launch)
                }
            }
        }
    }

    /// Returns the error of a failed spawn. posix_spawn(3) does not name the failed step, so the directory is checked
    /// again.
    private func failure(_ code: Errno, _ executable: String, in directory: String) -> SystemError {
        if code.isExhaustion || code == .tryAgain {
            return SystemError(call: "posix_spawn", code: code, subject: executable)
        }
        var information = stat()
        if unsafe stat(directory, &information) != 0 {
            return SystemError(call: "chdir", code: .current, subject: directory)
        }
        guard information.st_mode & S_IFMT == S_IFDIR else {
            return SystemError(call: "chdir", code: .notDirectory, subject: directory)
        }
        guard unsafe access(directory, X_OK) == 0 else {
            return SystemError(call: "chdir", code: .current, subject: directory)
        }
        return SystemError(call: "execve", code: code, subject: executable)
    }

    /// Checks a program that a stub executes, with the errors of execve.
    private func checkExecutable(_ executable: String, from directory: String) throws(SystemError) {
        var information = stat()
        if unsafe stat(directory, &information) != 0 || information.st_mode & S_IFMT != S_IFDIR {
            throw failure(.current, executable, in: directory)
        }
        let path = executable.hasPrefix("/") ? executable : "\(directory)/\(executable)"
        guard unsafe access(path, X_OK) == 0 else {
            throw SystemError(call: "execve", code: .current, subject: executable)
        }
    }

    /// Passes the strings with a terminating null pointer.
    func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for position in unsafe pointers.indices { unsafe free(pointers[position]) } }
        return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0) }
    }

    /// The daemon's variables that the command does not set and that are not the daemon's alone, without copies.
    /// Another terminal's size does not count for a new one.
    private func inheritedVariables(
        besides changes: [LaunchCommand.Variable], hasTerminal: Bool
    ) -> [UnsafeMutablePointer<CChar>?] {
        let omitted = Self.variablesOfOurs + (hasTerminal ? ["COLUMNS", "LINES"] : [])
        var inherited: [UnsafeMutablePointer<CChar>?] = unsafe []
        var position = unsafe environ
        while let entry = unsafe position.pointee {
            unsafe position += 1
            if unsafe strchr(entry, Int32(UInt8(ascii: "="))) == nil { continue }
            if changes.contains(where: { unsafe Self.isVariable(entry, named: $0.name) }) { continue }
            if omitted.contains(where: { unsafe Self.isVariable(entry, named: $0) }) { continue }
            unsafe inherited.append(entry)
        }
        return unsafe inherited
    }

    private static func isVariable(_ entry: UnsafePointer<CChar>, named name: String) -> Bool {
        var position = unsafe entry
        for byte in name.utf8 {
            guard unsafe UInt8(bitPattern: position.pointee) == byte else { return false }
            unsafe position += 1
        }
        return unsafe UInt8(bitPattern: position.pointee) == UInt8(ascii: "=")
    }

    private func openPipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else {
            throw SystemError(call: "pipe2", code: .current, subject: "for a child's output")
        }
        // Only the daemon's end: a child with non-blocking standard output loses lines.
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (ends[0], ends[1])
    }

    private func closeBoth(_ pipe: (read: Int32, write: Int32)) {
        _ = Glibc.close(pipe.read)
        _ = Glibc.close(pipe.write)
    }

    // MARK: Command lookup

    /// Variables of the service manager, of a daemon above this one, and the platform's port are not inherited.
    private static let variablesOfOurs = [
        "PORT", "PWD", "OLDPWD",
        "ONDEMANDD_SUPERVISOR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ]

    /// The environment of this process in its order.
    static func environment() -> [LaunchCommand.Variable] {
        var variables: [LaunchCommand.Variable] = []
        var position = unsafe environ
        while let entry = unsafe position.pointee {
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables.append(
                    .init(name: String(text[..<equals]), value: String(text[text.index(after: equals)...])))
            }
            unsafe position += 1
        }
        return variables
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Follows the shell: a name with a slash is a path from the child's directory, any other is searched in the
    /// child's PATH.
    func findExecutable(_ launch: LaunchCommand) throws(SystemError) -> String {
        let (command, directory) = (launch.command, launch.workingDirectory)
        guard !command.contains("/") else { return command }
        let path =
            launch.environment.first { $0.name == "PATH" }?.value ?? Self.variable("PATH")
            ?? "/usr/local/bin:/usr/bin:/bin"
        for place in path.split(separator: ":", omittingEmptySubsequences: false) {
            let candidate = place.isEmpty ? "./\(command)" : "\(place)/\(command)"
            let seenFromHere = candidate.hasPrefix("/") ? candidate : "\(directory)/\(candidate)"
            var information = stat()
            guard unsafe stat(seenFromHere, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
                unsafe access(seenFromHere, X_OK) == 0
            else { continue }
            return candidate
        }
        throw SystemError(call: "find", code: .noSuchFile, subject: "\(command) on PATH \(path)")
    }

    // MARK: Exits and reaping

    func nextExited() -> ExitedProcess? {
        var information = unsafe siginfo_t()
        while unsafe waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 {
            guard errno == EINTR else { return nil }  // ECHILD: no children.
        }
        let child = unsafe information._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        let exited = unsafe information.si_code == Int32(CLD_EXITED)
        return ExitedProcess(
            process: launches.leader(child.si_pid) ?? ProcessID(number: child.si_pid),
            exit: exited ? .status(child.si_status) : .signal(child.si_status))
    }

    func reap(_ process: ProcessID) {
        while waitpid(process.number, nil, WNOHANG) < 0, errno == EINTR {}
        launches.reaped(process)
        if process.number == guardProcess { guardProcess = nil }
    }

    // MARK: Signals to the daemon

    func openSignals() throws(SystemError) -> Descriptor {
        // Adopt orphans of backends instead of leaving them to init (PR_SET_CHILD_SUBREAPER).
        _ = ondemandd_become_child_subreaper()
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in Self.expectedSignals { unsafe sigaddset(&signals, number) }
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        Self.restoreExpectedSignals()
        let raw = unsafe signalfd(-1, &signals, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
        guard raw >= 0 else { throw SystemError(call: "signalfd", code: .current, subject: "") }
        return Descriptor(raw: raw)
    }

    func nextSignal(from descriptor: Descriptor) -> DaemonSignal? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while unsafe Glibc.read(descriptor.raw, &information, size) != size {
            guard errno == EINTR else { return nil }
        }
        return switch Int32(information.ssi_signo) {
        case SIGTERM: .terminate
        case SIGINT: .interrupt
        case SIGHUP: .hangUp
        case SIGUSR1: .reopenLog
        default: .childChanged
        }
    }
}
