import Glibc
import OnDemand

/// The executable: arguments in, exit code out.
@main
struct Main {
    static func main() {
        EntryPoint.runHiddenMode()
        let words = EntryPoint.commandLine()
        EntryPoint.prepareProcess()
        let code = perform(Arguments(words))
        exit(code.rawValue)
    }

    private static func perform(_ arguments: Arguments) -> ExitCode {
        switch arguments {
        case .help(let text):
            write(text, to: STDOUT_FILENO)
            return .success
        case .version:
            write("ondemandd \(Version.text)\n", to: STDOUT_FILENO)
            return .success
        case .mistake(let sentence, let usage):
            write("ondemandd: \(sentence)\n\n\(usage)", to: STDERR_FILENO)
            return .usage
        case .control(let command):
            let outcome = EntryPoint.execute(
                command, output: terminal(STDOUT_FILENO), errors: terminal(STDERR_FILENO),
                print: { write($0, to: STDOUT_FILENO) }, note: { write($0, to: STDERR_FILENO) })
            return report(outcome)
        case .configuration(let command):
            let outcome = EntryPoint.execute(
                command, errors: terminal(STDERR_FILENO), print: { write($0, to: STDOUT_FILENO) },
                note: { write($0, to: STDERR_FILENO) })
            return report(outcome)
        case .demo(let command):
            return report(EntryPoint.show(command) { write($0, to: STDOUT_FILENO) })
        case .run(let file):
            return report(EntryPoint.run(configurationFile: file, errors: terminal(STDERR_FILENO)))
        }
    }

    private static func terminal(_ descriptor: Int32) -> Terminal { EntryPoint.terminal(isatty(descriptor) == 1) }

    private static func report(_ outcome: EntryPoint.Outcome) -> ExitCode {
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

    private static func report(_ outcome: EntryPoint.ControlOutcome) -> ExitCode {
        switch outcome {
        case .done:
            return .success
        case .failed(let sentence):
            write("ondemandd: \(sentence)", to: STDERR_FILENO)
            return .failed
        case .mistake(let sentence):
            write("ondemandd: \(sentence)\n", to: STDERR_FILENO)
            return .usage
        case .unavailable(let sentence):
            write("ondemandd: \(sentence)\n", to: STDERR_FILENO)
            return .unavailable
        case .configurationIsWrong(let message):
            return report(EntryPoint.Outcome.configurationIsWrong(message))
        case .systemRefused(let message):
            return report(EntryPoint.Outcome.systemRefused(message))
        }
    }

    private static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    /// Returns false if the reader has closed the descriptor.
    @discardableResult
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe Glibc.write(descriptor, rest, rest.count)
            guard count > 0 || errno == EINTR || (errno == EAGAIN && EntryPoint.waitForRoom(in: descriptor)) else {
                return false
            }
            rest.removeFirst(max(0, count))
        }
        return true
    }
}
