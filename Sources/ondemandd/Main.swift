import Glibc
import OnDemand

/// The executable: arguments in, exit code out, nothing else.
@main
struct Main {
    static func main() {
        LaunchHelper.runIfAsked()
        let code = perform(Arguments(Array(CommandLine.arguments.dropFirst())))
        exit(code.rawValue)
    }

    private static func perform(_ arguments: Arguments) -> ExitCode {
        switch arguments {
        case .help:
            write(Arguments.usage, to: STDOUT_FILENO)
            return .success
        case .version:
            write("ondemandd \(Version.text)\n", to: STDOUT_FILENO)
            return .success
        case .mistake(let sentence):
            write("ondemandd: \(sentence)\n\n\(Arguments.usage)", to: STDERR_FILENO)
            return .usage
        case .check(let file):
            return report(Daemon.check(configurationFile: file))
        case .run(let file):
            return report(Daemon.run(configurationFile: file))
        }
    }

    private static func report(_ outcome: Daemon.Outcome) -> ExitCode {
        switch outcome {
        case .done:
            return .success
        case .configurationIsWrong(let message):
            write("\(message)\n", to: STDERR_FILENO)
            return .configuration
        case .systemRefused(let message):
            write("ondemandd: \(message)\n", to: STDERR_FILENO)
            return .system
        }
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.write(descriptor, bytes, bytes.count)
    }
}
