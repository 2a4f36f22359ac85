/// The daemon as its executable sees it: a file in, an exit code out.
public enum Daemon {
    public enum Outcome: Equatable, Sendable {
        case done
        /// What the operator should read: the configuration is wrong, or cannot be read.
        case configurationIsWrong(String)
        /// What the operator should read: the system refused something the daemon cannot be without.
        case systemRefused(String)
    }

    /// Needs no daemon, and starts none; `note` gets what is for people only.
    public static func carryOut(
        _ command: ConfigurationCommand, print: (String) -> Void, note: (String) -> Void
    ) -> Outcome {
        switch command {
        case .check(let file):
            return outcome(of: read(file).map { _ in })
        case .explain(let file):
            return outcome(of: read(file).map { print(Explanation(configuration: $0).text) })
        case .start(let starting):
            print(starting.text)
            note(starting.notes)
            return .done
        case .schema:
            print(ConfigurationSchema.text)
            return .done
        case .show(let file, let asJSON):
            let effective = reading(of: file) { bytes, environment throws(ConfigurationErrors) in
                try EffectiveConfiguration(bytes, environment: environment, reading: LinuxKernel.contents(ofFile:))
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
    public static func run(configurationFile file: String) -> Outcome {
        let configuration: Configuration
        switch read(file) {
        case .success(let valid): configuration = valid
        case .failure(let refusal): return .configurationIsWrong(refusal.text)
        }
        do throws(SystemError) {
            let kernel = try LinuxKernel()
            let household = try Household(configuration, kernel: kernel) { read(file) }
            household.run()
            return .done
        } catch {
            return .systemRefused(error.description)
        }
    }

    private static func read(_ file: String) -> Result<Configuration, UnreadableConfiguration> {
        reading(of: file) { bytes, environment throws(ConfigurationErrors) in
            try Configuration.read(bytes, environment: environment, reading: LinuxKernel.contents(ofFile:))
        }
    }

    /// What is made of the file and the environment, or all that is wrong with them.
    private static func reading<Meaning>(
        of file: String, _ meaning: ([UInt8], [String: String]) throws(ConfigurationErrors) -> Meaning
    ) -> Result<Meaning, UnreadableConfiguration> {
        guard let bytes = LinuxKernel.bytes(of: file) else {
            return .failure(UnreadableConfiguration(lines: ["\(file): error: \(Errno.current)"]))
        }
        let variables = LinuxKernel.environment().map { ($0.name, $0.value) }
        let environment = Dictionary(variables, uniquingKeysWith: { first, _ in first })
        do throws(ConfigurationErrors) {
            return .success(try meaning(bytes, environment))
        } catch {
            return .failure(
                UnreadableConfiguration(
                    lines: error.all.map { $0.rendered(file: file) }, text: error.rendered(file: file, text: bytes)))
        }
    }
}

// MARK: - Control

extension Daemon {
    /// How a command for a running daemon ended.
    public enum CommandOutcome: Equatable, Sendable {
        case done
        /// The daemon's own sentence on why it could not be done.
        case failed(String)
        /// The arguments make no sense.
        case mistake(String)
        case configurationIsWrong(String)
        /// No daemon answers.
        case unavailable(String)
        case systemRefused(String)
    }

    /// Asks a running daemon; `print` gets what it says as it says it, and false from it ends the command.
    public static func carryOut(_ command: ControlCommand, print: ([UInt8]) -> Bool) -> CommandOutcome {
        switch address(for: command) {
        case .failure(let end): end.outcome
        case .success(let address): ask(address, command, print: print)
        }
    }

    private struct CommandEnd: Error {
        let outcome: CommandOutcome
    }

    private static func address(for command: ControlCommand) -> Result<SocketAddress, CommandEnd> {
        let variable = LinuxKernel.environment().first { $0.name == ControlAddress.variable }?.value
        if let text = command.socket ?? variable.flatMap({ $0.isEmpty ? nil : $0 }) {
            guard text.hasPrefix("unix:"), let address = try? AddressText.listen(text) else {
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
        _ address: SocketAddress, _ command: ControlCommand, print: ([UInt8]) -> Bool
    ) -> CommandOutcome {
        let kernel: LinuxKernel
        do throws(SystemError) { kernel = try LinuxKernel() } catch { return .systemRefused(error.description) }
        var complaint: [UInt8] = []
        do throws(ControlClient<LinuxKernel>.Failure) {
            let client = try ControlClient(kernel: kernel, address: address, patience: command.patience)
            let (method, target) = command.request
            let status = try client.ask(method, target) { status, bytes in
                if status == 200 { return print(Array(bytes)) }
                complaint += bytes
                return true
            }
            return status == 200 ? .done : .failed(String(decoding: complaint, as: UTF8.self))
        } catch {
            return .unavailable(error.sentence(address))
        }
    }
}
