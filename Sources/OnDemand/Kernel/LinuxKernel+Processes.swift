import CLinux
import Glibc

/// The process verbs: posix_spawn only, because it costs the same whatever the daemon's size, and never stalls it.
extension LinuxKernel {
    func spawn(
        _ command: LaunchCommand, inheriting listener: Descriptor? = nil
    ) throws(SystemError) -> SpawnedProcess {
        let environment = mergedEnvironment(command.environment) + [mark(ofLaunch: launches.next)]
        try checkDirectory(command.workingDirectory)
        let executable = try findExecutable(command.command, in: command.workingDirectory, environment)
        let output = try openPipe()
        let errors: (read: Int32, write: Int32)
        do throws(SystemError) { errors = try openPipe() } catch {
            closeBoth(output)
            throw error
        }
        if let listener { setBlocking(listener, true) }
        var process: pid_t = 0
        let status = posixSpawn(
            &process, executable, command, environment, output: output.write, errors: errors.write, listener)
        _ = Glibc.close(output.write)
        _ = Glibc.close(errors.write)
        guard status == 0 else {
            _ = Glibc.close(output.read)
            _ = Glibc.close(errors.read)
            throw SystemError(call: "posix_spawn", code: Errno(number: status), subject: executable)
        }
        launches.began(process)
        return SpawnedProcess(
            process: ProcessID(number: process), output: Descriptor(raw: output.read),
            errors: Descriptor(raw: errors.read))
    }

    private func posixSpawn(
        _ process: inout pid_t, _ executable: String, _ command: LaunchCommand, _ environment: [String],
        output: Int32, errors: Int32, _ listener: Descriptor?
    ) -> Int32 {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        // In this order: the sources must still be open when they are duplicated.
        unsafe posix_spawn_file_actions_adddup2(&actions, nullDevice, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
        var firstUnwanted = STDERR_FILENO + 1
        if let listener {
            unsafe posix_spawn_file_actions_adddup2(&actions, listener.raw, firstUnwanted)
            firstUnwanted += 1
        }
        unsafe posix_spawn_file_actions_addclosefrom_np(&actions, firstUnwanted)
        unsafe posix_spawn_file_actions_addchdir_np(&actions, command.workingDirectory)

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // Blocked and ignored signals are inherited through exec, and a backend that cannot hear TERM never stops.
        var everySignal = sigset_t()
        unsafe sigfillset(&everySignal)
        var noSignal = sigset_t()
        unsafe sigemptyset(&noSignal)
        unsafe posix_spawnattr_setsigdefault(&attributes, &everySignal)
        unsafe posix_spawnattr_setsigmask(&attributes, &noSignal)
        let flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        let helping = launchHelper.map { _ in LaunchHelper.arguments(parent: getpid(), executable: executable) }
        return unsafe withCStrings((helping ?? []) + [command.command] + command.arguments) { arguments in
            unsafe withCStrings(environment) { environment in
                // Not before: under the lower limit the actions above refuse descriptors beyond it.
                withoutRaisedFileLimit {
                    unsafe posix_spawn(
                        &process, launchHelper ?? executable, &actions, &attributes, arguments, environment)
                }
            }
        }
    }

    private func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for position in unsafe pointers.indices { unsafe free(pointers[position]) } }
        return unsafe body(&pointers)
    }

    /// A child inherits the limits of the moment, and the daemon has one thread.
    private func withoutRaisedFileLimit<Result>(_ body: () -> Result) -> Result {
        var raised = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        var original = originalFileLimit
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &original)
        defer { unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) }
        return body()
    }

    private func openPipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else {
            throw SystemError(call: "pipe2", code: .current, subject: "for a child's output")
        }
        // Only our end: a child that finds its standard output non-blocking loses lines.
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (ends[0], ends[1])
    }

    private func closeBoth(_ pipe: (read: Int32, write: Int32)) {
        _ = Glibc.close(pipe.read)
        _ = Glibc.close(pipe.write)
    }

    // MARK: What to run

    /// The daemon's variables with the command's set over them, as `NAME=value`.
    private func mergedEnvironment(_ changes: [LaunchCommand.Variable]) -> [String] {
        let names = Set(changes.map(\.name))
        let inherited = Self.environment().filter { !names.contains($0.name) && !Self.isOurs($0.name) }
        return (inherited.map { "\($0.name)=\($0.value)" }) + changes.map { "\($0.name)=\($0.value)" }
    }

    /// What a manager told this daemon, or a daemon above it, is not for its children.
    private static func isOurs(_ name: String) -> Bool {
        [
            "ONDEMANDD_SUPERVISOR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC",
            "WATCHDOG_PID",
        ].contains(name)
    }

    /// This process's environment, in its order.
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

    /// posix_spawn reports a missing directory and a missing command alike; an operator needs to know which.
    private func checkDirectory(_ path: String) throws(SystemError) {
        guard unsafe access("\(path)/.", X_OK) == 0 else {
            throw SystemError(call: "chdir", code: .current, subject: path)
        }
    }

    /// The shell's rule: a name with a slash is a path (from the child's directory), any other is looked up on PATH.
    private func findExecutable(
        _ command: String, in directory: String, _ environment: [String]
    ) throws(SystemError) -> String {
        guard !command.contains("/") else { return command }
        let path = environment.first { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? "/usr/local/bin:/usr/bin:/bin"
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

    // MARK: Ending and reaping

    func nextExited() -> ExitedProcess? {
        var information = unsafe siginfo_t()
        while unsafe waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 {
            guard errno == EINTR else { return nil }  // ECHILD: no children at all.
        }
        let child = unsafe information._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        let exited = unsafe information.si_code == Int32(CLD_EXITED)
        return ExitedProcess(
            process: ProcessID(number: child.si_pid), exit: exited ? .status(child.si_status) : .signal(child.si_status)
        )
    }

    func reap(_ process: ProcessID) {
        while waitpid(process.number, nil, WNOHANG) < 0, errno == EINTR {}
    }

    // MARK: Signals to the daemon

    func openSignals() throws(SystemError) -> Descriptor {
        // Orphans of a backend come to us instead of to init, so that none is forgotten (PR_SET_CHILD_SUBREAPER).
        _ = ondemandd_become_child_subreaper()
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] { unsafe sigaddset(&signals, number) }
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
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
        default: .childChanged
        }
    }
}
