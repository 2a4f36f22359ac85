/// Entry points for the executable: a configuration file in, an outcome out.
public enum EntryPoint {
    /// The end of a run or of a configuration command.
    public enum Outcome: Equatable, Sendable {
        /// Success.
        case done
        /// A message for the operator: the configuration is invalid or unreadable.
        case configurationIsWrong(String)
        /// A message for the operator: a system call that the daemon needs has failed.
        case systemRefused(String)
    }

    /// Runs a hidden mode if this process was started in one. Then it does not return.
    public static func runHiddenMode() { HiddenMode.runIfChosen() }

    /// Words of the command line, also if /proc is not mounted. Call before any variable is set.
    public static func commandLine() -> [String] { OwnProgram.commandLine() }

    /// Sets process state that must not depend on the parent. Call once, before anything else.
    public static func prepareProcess() { ProcessStart.prepare() }

    /// Waits until a non-blocking inherited descriptor is writable. Returns false if waiting cannot help.
    public static func waitForRoom(in descriptor: Int32) -> Bool { ProcessStart.waitForRoom(in: descriptor) }

    /// Properties of standard output or standard error, from the descriptor and the environment.
    public static func terminal(_ isTerminal: Bool) -> Terminal {
        Terminal(isTerminal: isTerminal, environment: variables())
    }

    private static func variables() -> [String: String] {
        let variables = ProcessEnvironment.variables().map { ($0.name, $0.value) }
        return Dictionary(variables, uniquingKeysWith: { first, _ in first })
    }

    /// Executes a configuration command without a daemon. `note` gets text that is only for people.
    public static func execute(
        _ command: ConfigurationCommand, errors: Terminal = .none, print: (String) -> Void, note: (String) -> Void
    ) -> Outcome {
        let paint = errors.paint
        switch command {
        case .check(let file):
            let review = reading(of: file, paint) { bytes, environment throws(ConfigurationErrors) in
                try Configuration.review(
                    bytes, environment: environment, reading: FileAccess.contents(ofFile:),
                    resolving: FileAccess.realPath(of:))
            }
            return outcome(
                of: review.map { review in
                    for warning in review.warnings { note(warning.rendered(file: file, paint: paint) + "\n") }
                })
        case .explain(let file):
            return outcome(of: read(file, paint).map { print(Explanation(configuration: $0).text) })
        case .start(let template):
            print(template.text)
            note(template.notes)
            return .done
        case .schema:
            print(ConfigurationSchema.text)
            return .done
        case .show(let file, let asJSON):
            let effective = reading(of: file, paint) { bytes, environment throws(ConfigurationErrors) in
                try EffectiveConfiguration(
                    bytes, environment: environment, reading: FileAccess.contents(ofFile:),
                    resolving: FileAccess.realPath(of:))
            }
            return outcome(of: effective.map { print(asJSON ? $0.json(file: file) : $0.text(file: file)) })
        }
    }

    /// Converts the result of reading a file to the outcome of a command.
    private static func outcome(of reading: Result<Void, UnreadableConfiguration>) -> Outcome {
        switch reading {
        case .success: .done
        case .failure(let refusal): .configurationIsWrong(refusal.text)
        }
    }

    /// Runs until a signal ends it.
    public static func run(configurationFile file: String, errors: Terminal = .none) -> Outcome {
        let configuration: Configuration
        switch read(file, errors.paint) {
        case .success(let valid): configuration = valid
        case .failure(let refusal): return .configurationIsWrong(refusal.text)
        }
        do throws(SystemError) {
            let kernel = try LinuxKernel()
            let daemon = try Daemon(configuration, kernel: kernel) { read(file, from: .file) }
            let threads = try startThreads(of: daemon)
            daemon.run()
            for thread in threads { thread.join() }
            return .done
        } catch {
            return .systemRefused(error.description)
        }
    }

    /// The main thread runs the first reactor.
    private static func startThreads(of daemon: Daemon<LinuxKernel>) throws(SystemError) -> [LinuxThread] {
        var threads: [LinuxThread] = []
        for (number, worker) in daemon.workers.enumerated() {
            threads.append(try LinuxThread.start(named: "thread-\(number + 2)") { worker.run() })
        }
        return threads
    }

    private static func read(
        _ file: String, _ paint: ANSIStyle = .plain, from source: FileAccess.ReadableSource = .fileOrPipe
    ) -> Result<Configuration, UnreadableConfiguration> {
        reading(of: file, paint, from: source) { bytes, environment throws(ConfigurationErrors) in
            try Configuration.read(
                bytes, environment: environment, reading: FileAccess.contents(ofFile:),
                resolving: FileAccess.realPath(of:))
        }
    }

    /// Reads the file and the environment and returns the result of `meaning`, or all errors.
    private static func reading<Meaning>(
        of file: String, _ paint: ANSIStyle, from source: FileAccess.ReadableSource = .fileOrPipe,
        _ meaning: ([UInt8], [String: String]) throws(ConfigurationErrors) -> Meaning
    ) -> Result<Meaning, UnreadableConfiguration> {
        let bytes: [UInt8]
        do throws(SystemError) {
            // One byte over the limit lets the reader detect a file that is too large.
            bytes = try FileAccess.beginning(ofFile: file, from: source, atMost: JSONReader.byteLimit + 1)
        } catch {
            return .failure(UnreadableConfiguration(lines: ["\(file): error: \(error.code)"]))
        }
        let environment = variables()
        do throws(ConfigurationErrors) {
            return .success(try meaning(bytes, environment))
        } catch {
            return .failure(
                UnreadableConfiguration(
                    lines: error.lines(file: file),
                    text: error.rendered(file: file, text: bytes, paint: paint)))
        }
    }
}

// MARK: - Control

extension EntryPoint {
    /// The result of a control command.
    public enum ControlOutcome: Equatable, Sendable {
        /// The command succeeded.
        case done
        /// The daemon rejected the command: its message.
        case failed(String)
        /// The arguments are invalid.
        case mistake(String)
        /// The configuration file that names the control socket is invalid.
        case configurationIsWrong(String)
        /// No daemon listens or responds.
        case unavailable(String)
        /// A system call that the client needs has failed.
        case systemRefused(String)
    }

    /// Sends a command to a running daemon. `print` gets the response in pieces. If it returns false, the command ends.
    /// `note` gets the progress line for a terminal.
    public static func execute(
        _ command: ControlCommand, output: Terminal = .none, errors: Terminal = .none,
        print: @escaping ([UInt8]) -> Bool, note: @escaping (String) -> Void = { _ in }
    ) -> ControlOutcome {
        switch address(for: command) {
        case .failure(let end): return end.outcome
        case .success(let address):
            if case .run(let name, _) = command.action {
                return follow(name, address, command, isAttended: errors.canRewrite, print: print, note: note)
            }
            let line =
                errors.canRewrite ? ProgressLine(of: command.action, lastStartup: lastStartup(address, command)) : nil
            let display = line.map { Display(line: $0, write: note) }
            defer { display?.wipe() }
            return ask(address, command.painted(output.paint), progress: display?.show) { bytes in
                display?.wipe()
                return print(bytes)
            }
        }
    }

    /// Starts a run and prints its output until it ends. Whatever ends this command before leaves the run alone.
    private static func follow(
        _ name: String, _ address: SocketAddress, _ command: ControlCommand, isAttended: Bool,
        print: ([UInt8]) -> Bool, note: (String) -> Void
    ) -> ControlOutcome {
        var follower = RunFollower()
        var result: RunFollower.Result?
        var isClosed = false
        let outcome = ask(address, command) { bytes in
            for event in follower.take(bytes[...]) {
                switch event {
                case .began(let id):
                    guard isAttended else { continue }
                    note("run \(id): Ctrl-C leaves it running; \"ondemandd run \(name) --stop \(id)\" stops it\n")
                case .output(let bytes): isClosed = isClosed || !print(bytes)
                case .ended(let end): result = end
                }
            }
            return !isClosed
        }
        guard outcome == .done else { return outcome }
        guard let result else {
            let reason = isClosed ? "the output was closed" : "the daemon at \(address) closed the connection"
            return .failed("\(reason) before the run of \(name) ended; \"ondemandd commands\" shows its state\n")
        }
        return result.hasSucceeded ? .done : .failed("\(name): \(result.sentence)\n")
    }

    /// The progress line on the terminal.
    private final class Display {
        private let line: ProgressLine
        private let write: (String) -> Void
        private var isShown = false

        init(line: ProgressLine, write: @escaping (String) -> Void) {
            self.line = line
            self.write = write
        }

        func show(after elapsed: Duration) {
            isShown = true
            write(line.text(after: elapsed))
        }

        func wipe() {
            if isShown { write(ProgressLine.wipe) }
            isShown = false
        }
    }

    /// Duration of the last start of the service, for the progress line. nil: unknown.
    private static func lastStartup(_ address: SocketAddress, _ command: ControlCommand) -> Duration? {
        guard case .operation(_, let name, waits: true) = command.action else { return nil }
        var bytes: [UInt8] = []
        let outcome = ask(address, ControlCommand(action: .status(.json))) { piece in
            bytes += piece
            return true
        }
        guard outcome == .done, let status = try? JSONReader.read(bytes) else { return nil }
        guard case .array(let services)? = status.member("services")?.content,
            let service = services.first(where: { $0.member("name")?.content == .string(name) }),
            case .number(let milliseconds)? = service.member("last_startup_ms")?.content
        else { return nil }
        return milliseconds.integer.map { .milliseconds($0) }
    }

    private struct CommandEnd: Error {
        let outcome: ControlOutcome
    }

    private static func address(for command: ControlCommand) -> Result<SocketAddress, CommandEnd> {
        let variable = ProcessEnvironment.variables().first { $0.name == ControlAddress.variable }?.value
        if let text = command.socket ?? variable.flatMap({ $0.isEmpty ? nil : $0 }) {
            guard text.hasPrefix("unix:"), let address = try? AddressParser.listen(text) else {
                return .failure(CommandEnd(outcome: .mistake("\(text) is not a control socket: write unix:PATH")))
            }
            return .success(address)
        }
        guard let file = command.configurationFile else { return .success(ControlAddress.usual) }
        switch read(file) {
        case .failure(let message):
            return .failure(CommandEnd(outcome: .configurationIsWrong(message.text)))
        case .success(let configuration):
            guard let address = configuration.control else {
                let sentence = "\(file): error: \"control\" is missing: this daemon accepts no control commands"
                return .failure(CommandEnd(outcome: .configurationIsWrong(sentence)))
            }
            return .success(address)
        }
    }

    private static func ask(
        _ address: SocketAddress, _ command: ControlCommand, progress: ((Duration) -> Void)? = nil,
        print: ([UInt8]) -> Bool
    ) -> ControlOutcome {
        let kernel: LinuxKernel
        do throws(SystemError) { kernel = try LinuxKernel() } catch { return .systemRefused(error.description) }
        var localReply: [UInt8] = []
        do throws(ControlClient<LinuxKernel>.Failure) {
            let client = try ControlClient(
                kernel: kernel, address: address, timeout: command.timeout, progress: progress)
            let (method, target) = command.request
            let status = try client.ask(method, target, body: command.body) { status, bytes in
                if (200..<300).contains(status) { return print(Array(bytes)) }
                localReply += bytes
                return true
            }
            return (200..<300).contains(status) ? .done : .failed(String(decoding: localReply, as: UTF8.self))
        } catch {
            return .unavailable(error.sentence(address))
        }
    }
}
