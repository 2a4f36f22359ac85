import CLinux
import Glibc

/// Starts programs. The cost does not depend on the daemon's size, because no page table is copied.
final class ProgramLauncher {
    private let trees: LaunchedTrees
    private let nullDevice: Int32
    /// This program, for its stub and its guard.
    private let ownProgram: String
    /// Restored in children: the daemon raises the limit, and a child that uses select(2) must not get descriptors over
    /// 1024.
    private let originalFileLimit: rlimit
    /// Restored in children: tolerance of timeouts in nanoseconds.
    private let originalTimerSlack: UInt
    /// Reset in children, as a bit set of `launch.h`.
    private let ignoredSignals: UInt

    init(_ trees: LaunchedTrees, ownProgram: String) throws(SystemError) {
        self.trees = trees
        self.ownProgram = ownProgram
        nullDevice = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nullDevice >= 0 else { throw SystemError(call: "open", code: .current, subject: "/dev/null") }
        originalFileLimit = Self.raiseFileLimit()
        originalTimerSlack = ondemandd_timer_slack()
        // Lookups during a start are 0.1 ms apart. The default tolerance is 0.05 ms.
        ondemandd_set_timer_slack(1)
        SignalDescriptor.ignoreErrorSignals()
        ignoredSignals = ondemandd_ignored_signals()
    }

    deinit { _ = Glibc.close(nullDevice) }

    /// Raises the limit to the hard limit: a WebSocket needs two descriptors.
    private static func raiseFileLimit() -> rlimit {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        return limit
    }

    // MARK: Commands

    func spawn(
        _ command: LaunchCommand, inheriting listener: Descriptor? = nil
    ) throws(SystemError) -> SpawnedProcess {
        let executable = try ProgramSearch.find(command)
        let output = try openPipe()
        let errors: (read: Int32, write: Int32)
        do throws(SystemError) { errors = try openPipe() } catch {
            closeBoth(output)
            throw error
        }
        if let listener { StreamSocket.setBlocking(listener, true) }
        defer {
            _ = Glibc.close(output.write)
            _ = Glibc.close(errors.write)
        }
        let process: Int32
        let launch = trees.launches.nextNumber
        do throws(SystemError) {
            process = try start(executable, command, [nullDevice, output.write, errors.write], listener, launch)
        } catch {
            _ = Glibc.close(output.read)
            _ = Glibc.close(errors.read)
            throw error
        }
        trees.began(process)
        return SpawnedProcess(
            process: ProcessID(number: process, launch: launch), output: Descriptor(raw: output.read),
            errors: Descriptor(raw: errors.read))
    }

    func spawnOnTerminal(_ command: LaunchCommand) throws(SystemError) -> TerminalProcess {
        let executable = try ProgramSearch.find(command)
        let (terminal, path) = try openTerminal()
        let process: Int32
        let launch = trees.launches.nextNumber
        do throws(SystemError) {
            process = try start(executable, command, [], nil, launch, terminal: path)
        } catch {
            _ = Glibc.close(terminal)
            throw error
        }
        trees.began(process)
        return TerminalProcess(
            process: ProcessID(number: process, launch: launch), terminal: Descriptor(raw: terminal))
    }

    /// `terminal`: the path of the controlling terminal, which is descriptors 0 to 2. nil: `standard` are.
    private func start(
        _ executable: String, _ command: LaunchCommand, _ standard: [Int32], _ listener: Descriptor?, _ launch: UInt64,
        terminal: String? = nil
    ) throws(SystemError) -> Int32 {
        let mark = trees.mark(ofLaunch: launch)
        let variables = command.environment.map { "\($0.name)=\($0.value)" } + ["\(LaunchMark.variable)=\(mark.text)"]
        // LISTEN_PID is the pid of the process itself, so only that process can write it: a stub of this executable
        // sets it and executes the program. The daemon's own LISTEN_FDS is not inherited.
        let stub = listener == nil ? nil : ownProgram
        if stub != nil { try checkExecutable(executable, from: command.workingDirectory) }
        let words = (stub == nil ? [] : ["ondemandd", HiddenMode.inheriting.rawValue, executable]) + [command.command]
        let process = unsafe withCStrings(words + command.arguments) { arguments in
            unsafe withCStrings(variables) { ours in
                var environment =
                    unsafe ProcessEnvironment.inherited(by: command, hasTerminal: terminal != nil) + ours
                return unsafe environment.withUnsafeMutableBufferPointer { environment in
                    unsafe spawn(
                        stub ?? executable, arguments.baseAddress!, environment.baseAddress!,
                        SpawnSettings(
                            directory: command.workingDirectory,
                            descriptors: standard + (listener.map { [$0.raw] } ?? []),
                            mark: trees.marksByLimit ? mark.limit : 0, terminal: terminal))
                }
            }
        }
        guard process < 0 else { return process }
        throw failure(Errno(number: -process), executable, in: command.workingDirectory)
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

    private func openTerminal() throws(SystemError) -> (descriptor: Int32, path: String) {
        var path = [CChar](repeating: 0, count: 64)
        let descriptor = unsafe ondemandd_open_terminal(&path, path.count, Limits.terminalRows, Limits.terminalColumns)
        guard descriptor >= 0 else {
            throw SystemError(call: "posix_openpt", code: Errno(number: -descriptor), subject: "/dev/ptmx")
        }
        return (descriptor, String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    // MARK: The guard

    /// Starts the guard, with one end of its channel as standard input. It inherits no variable, directory or other
    /// descriptor, and no signal of the daemon's group or terminal.
    func spawnGuard(channel: Int32) throws(SystemError) -> Int32 {
        let settings = SpawnSettings(
            directory: "/", descriptors: [channel, nullDevice, nullDevice], mark: 0, blocksSignals: true)
        let process = unsafe withCStrings(["ondemandd", HiddenMode.guardian.rawValue]) { arguments in
            unsafe withCStrings([]) { environment in
                unsafe spawn(ownProgram, arguments.baseAddress!, environment.baseAddress!, settings)
            }
        }
        guard process > 0 else {
            throw SystemError(call: "posix_spawn", code: Errno(number: -process), subject: ownProgram)
        }
        return process
    }

    // MARK: posix_spawn(3)

    /// Parameters of posix_spawn(3) besides the program.
    private struct SpawnSettings {
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
    private func spawn(
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

    /// Passes the strings with a terminating null pointer.
    private func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) } + [nil]
        defer { for position in unsafe pointers.indices { unsafe free(pointers[position]) } }
        return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0) }
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
}
