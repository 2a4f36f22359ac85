/// The daemon as its executable sees it: a file in, an exit code out.
public enum EntryPoint {
    /// How a run, or a command about a configuration, ended.
    public enum Outcome: Equatable, Sendable {
        /// As it should.
        case done
        /// What the operator should read: the configuration is wrong, or cannot be read.
        case configurationIsWrong(String)
        /// What the operator should read: the system refused something the daemon cannot be without.
        case systemRefused(String)
    }

    /// Runs what the daemon starts its own executable for, if this is such a process, and does not return from it.
    public static func runHiddenMode() { LinuxKernel.runHiddenMode() }

    /// The words of the command line, also where /proc is not mounted. Call before any variable is set.
    public static func commandLine() -> [String] { LinuxKernel.commandLine() }

    /// Call once, before anything else: sets the process state that must not depend on the parent.
    public static func prepareProcess() { LinuxKernel.prepareProcess() }

    /// For an inherited descriptor that is non-blocking; false where waiting is no use.
    public static func waitForRoom(in descriptor: Int32) -> Bool { LinuxKernel.waitForRoom(in: descriptor) }

    /// What standard output or standard error is, by the word of the system and of the environment.
    public static func terminal(_ isTerminal: Bool) -> Terminal {
        Terminal(isTerminal: isTerminal, environment: variables())
    }

    private static func variables() -> [String: String] {
        let variables = LinuxKernel.environment().map { ($0.name, $0.value) }
        return Dictionary(variables, uniquingKeysWith: { first, _ in first })
    }

    /// Needs no daemon, and starts none; `note` gets what is for people only.
    public static func execute(
        _ command: ConfigurationCommand, errors: Terminal = .none, print: (String) -> Void, note: (String) -> Void
    ) -> Outcome {
        let paint = errors.paint
        switch command {
        case .check(let file):
            let review = reading(of: file, paint) { bytes, environment throws(ConfigurationErrors) in
                try Configuration.review(
                    bytes, environment: environment, reading: LinuxKernel.contents(ofFile:),
                    resolving: LinuxKernel.realPath(of:))
            }
            return outcome(
                of: review.map { review in
                    for warning in review.warnings { note(warning.rendered(file: file, paint: paint) + "\n") }
                })
        case .explain(let file):
            return outcome(of: read(file, paint).map { print(Explanation(configuration: $0).text) })
        case .start(let starting):
            print(starting.text)
            note(starting.notes)
            return .done
        case .schema:
            print(ConfigurationSchema.text)
            return .done
        case .show(let file, let asJSON):
            let effective = reading(of: file, paint) { bytes, environment throws(ConfigurationErrors) in
                try EffectiveConfiguration(
                    bytes, environment: environment, reading: LinuxKernel.contents(ofFile:),
                    resolving: LinuxKernel.realPath(of:))
            }
            return outcome(of: effective.map { print(asJSON ? $0.json(file: file) : $0.text(file: file)) })
        }
    }

    /// What a command says of a file, or what is wrong with it.
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

    /// The main thread is the first reactor.
    private static func startThreads(of daemon: Daemon<LinuxKernel>) throws(SystemError) -> [LinuxThread] {
        var threads: [LinuxThread] = []
        for (number, worker) in daemon.workers.enumerated() {
            threads.append(try LinuxThread.start(named: "thread-\(number + 2)") { worker.run() })
        }
        return threads
    }

    private static func read(
        _ file: String, _ paint: ANSIStyle = .plain, from source: LinuxKernel.ReadableSource = .fileOrPipe
    ) -> Result<Configuration, UnreadableConfiguration> {
        reading(of: file, paint, from: source) { bytes, environment throws(ConfigurationErrors) in
            try Configuration.read(
                bytes, environment: environment, reading: LinuxKernel.contents(ofFile:),
                resolving: LinuxKernel.realPath(of:))
        }
    }

    /// What is made of the file and the environment, or all that is wrong with them.
    private static func reading<Meaning>(
        of file: String, _ paint: ANSIStyle, from source: LinuxKernel.ReadableSource = .fileOrPipe,
        _ meaning: ([UInt8], [String: String]) throws(ConfigurationErrors) -> Meaning
    ) -> Result<Meaning, UnreadableConfiguration> {
        let bytes: [UInt8]
        do throws(SystemError) {
            // One byte more than is allowed is enough for the reader to see that there are too many.
            bytes = try LinuxKernel.beginning(ofFile: file, from: source, atMost: JSONReader.byteLimit + 1)
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
    /// How a command for a running daemon ended.
    public enum CommandOutcome: Equatable, Sendable {
        /// The daemon has done it, or told it.
        case done
        /// The daemon's own sentence on why it could not be done.
        case failed(String)
        /// The arguments make no sense.
        case mistake(String)
        /// The file that was to name the control socket is wrong.
        case configurationIsWrong(String)
        /// No daemon answers.
        case unavailable(String)
        /// The system refused something that asking needs.
        case systemRefused(String)
    }

    /// Asks a running daemon; `print` gets what it says as it says it, and false from it ends the command. `note` gets
    /// what a terminal shows meanwhile.
    public static func execute(
        _ command: ControlCommand, output: Terminal = .none, errors: Terminal = .none,
        print: @escaping ([UInt8]) -> Bool, note: @escaping (String) -> Void = { _ in }
    ) -> CommandOutcome {
        switch address(for: command) {
        case .failure(let end): return end.outcome
        case .success(let address):
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

    /// The line on the terminal, while there is one.
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

    /// How long the last start of the service took, for whoever waits for the next one; nil when nobody can tell.
    private static func lastStartup(_ address: SocketAddress, _ command: ControlCommand) -> Duration? {
        guard case .order(_, let name, waits: true) = command.action else { return nil }
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
        let outcome: CommandOutcome
    }

    private static func address(for command: ControlCommand) -> Result<SocketAddress, CommandEnd> {
        let variable = LinuxKernel.environment().first { $0.name == ControlAddress.variable }?.value
        if let text = command.socket ?? variable.flatMap({ $0.isEmpty ? nil : $0 }) {
            guard text.hasPrefix("unix:"), let address = try? AddressParser.listen(text) else {
                return .failure(CommandEnd(outcome: .mistake("\(text) is no control socket; write unix:PATH")))
            }
            return .success(address)
        }
        guard let file = command.configurationFile else { return .success(ControlAddress.usual) }
        switch read(file) {
        case .failure(let message):
            return .failure(CommandEnd(outcome: .configurationIsWrong(message.text)))
        case .success(let configuration):
            guard let address = configuration.control else {
                let sentence = "\(file): error: there is no \"control\", so its daemon takes no commands"
                return .failure(CommandEnd(outcome: .configurationIsWrong(sentence)))
            }
            return .success(address)
        }
    }

    private static func ask(
        _ address: SocketAddress, _ command: ControlCommand, progress: ((Duration) -> Void)? = nil,
        print: ([UInt8]) -> Bool
    ) -> CommandOutcome {
        let kernel: LinuxKernel
        do throws(SystemError) { kernel = try LinuxKernel() } catch { return .systemRefused(error.description) }
        var localReply: [UInt8] = []
        do throws(ControlClient<LinuxKernel>.Failure) {
            let client = try ControlClient(
                kernel: kernel, address: address, patience: command.patience, progress: progress)
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
