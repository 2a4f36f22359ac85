/// A stand-in for an Action Cable server, for the demo and the tests, with switches for misbehaviour.
@main
struct Main {
    static func main() {
        let arguments: Arguments
        do throws(ArgumentError) {
            arguments = try Arguments(Array(CommandLine.arguments.dropFirst()))
        } catch {
            Console.complain("cable-double: \(error.sentence)\n\n\(Arguments.usage)")
            Process.exit(64)  // EX_USAGE of sysexits.h
        }
        if arguments.help {
            Console.say(Arguments.usage)
            Process.exit(0)
        }
        guard !arguments.digests else { return Digests.answerLines() }
        misbehave(arguments)
        Server(arguments).run()
    }

    /// Misbehaviour before the server listens.
    private static func misbehave(_ arguments: Arguments) {
        if let path = arguments.environmentFile { Inheritance.write(to: path) }
        if let code = arguments.exitAtOnce { Process.exit(code) }
        if arguments.ignoreTerm { Process.ignoreTermination() }
        if arguments.grandchild { announceGrandchild(ownSession: false) }
        if arguments.grandchildOwnSession { announceGrandchild(ownSession: true) }
        if case .lines(let count) = arguments.flood {
            var flood = Flood()
            for _ in 0..<count { flood.writeLine() }
        }
    }

    private static func announceGrandchild(ownSession: Bool) {
        guard let number = Process.spawn("sleep", ["1000"], ownSession: ownSession) else {
            Console.complain("cable-double: no grandchild could be started")
            Process.exit(1)
        }
        Console.say("grandchild \(number)")
    }
}
