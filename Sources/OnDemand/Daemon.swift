/// The daemon as its executable sees it: a file in, an exit code out.
public enum Daemon {
    public enum Outcome: Equatable, Sendable {
        case done
        /// What the operator should read: the configuration is wrong, or cannot be read.
        case configurationIsWrong(String)
        /// What the operator should read: the system refused something the daemon cannot be without.
        case systemRefused(String)
    }

    /// Reads and checks the configuration, and nothing else.
    public static func check(configurationFile file: String) -> Outcome {
        switch read(file) {
        case .success: .done
        case .failure(let message): .configurationIsWrong(message.text)
        }
    }

    /// Runs until a signal ends it.
    public static func run(configurationFile file: String) -> Outcome {
        let configuration: Configuration
        switch read(file) {
        case .success(let valid): configuration = valid
        case .failure(let message): return .configurationIsWrong(message.text)
        }
        do throws(SystemError) {
            let household = try Household(configuration, kernel: LinuxKernel(launchHelper: "/proc/self/exe"))
            household.run()
            return .done
        } catch {
            return .systemRefused(error.description)
        }
    }

    private struct Message: Error {
        let text: String
    }

    private static func read(_ file: String) -> Result<Configuration, Message> {
        guard let bytes = LinuxKernel.bytes(of: file) else {
            return .failure(Message(text: "\(file): error: \(Errno.current)"))
        }
        let variables = LinuxKernel.environment().map { ($0.name, $0.value) }
        let environment = Dictionary(variables, uniquingKeysWith: { first, _ in first })
        do throws(ConfigurationErrors) {
            let configuration = try Configuration.read(
                bytes, environment: environment, reading: LinuxKernel.contents(ofFile:))
            return .success(configuration)
        } catch {
            return .failure(Message(text: error.rendered(file: file)))
        }
    }
}
