/// `ondemandd demo`: a self-contained demo with this executable as its backend.
public struct DemoCommand: Equatable, Sendable {
    enum Role: Equatable {
        /// The daemon with its demo backend.
        case show(listen: SocketAddress, status: SocketAddress)
        /// The demo backend.
        case backend(port: UInt16)
    }

    let role: Role

    /// The result of parsing a command line.
    public enum Reading: Equatable, Sendable {
        /// A complete command.
        case command(DemoCommand)
        /// A request for the usage.
        case help(String)
        /// One sentence on the error, and the usage.
        case mistake(String, usage: String)
    }

    /// The line in the list of commands.
    public static let list = "  demo                        run a self-contained demo\n"

    static let usualListen = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)
    static let usualStatus = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 9292)

    /// Returns nil for another command.
    public static func read(_ words: [String]) -> Reading? {
        guard words.first == "demo" else { return nil }
        if words.contains(where: { $0 == "--help" || $0 == "-h" }) { return .help(usage) }
        do throws(Mistake) {
            return .command(DemoCommand(role: try role(words.dropFirst())))
        } catch {
            return .mistake(error.sentence, usage: usage)
        }
    }

    private struct Mistake: Error {
        let sentence: String
    }

    private static func role(_ words: ArraySlice<String>) throws(Mistake) -> Role {
        var (listen, status) = (usualListen, usualStatus)
        var port: UInt16?
        var rest = words
        while let word = rest.popFirst() {
            let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
            guard ["--listen", "--status", "--as-backend"].contains(halves[0]) else {
                throw Mistake(sentence: "unknown argument \(word.withoutControls)")
            }
            guard let value = halves.count > 1 ? halves[1] : rest.popFirst() else {
                throw Mistake(sentence: "\(halves[0]) needs \(halves[0] == "--as-backend" ? "a port" : "an address")")
            }
            switch halves[0] {
            case "--listen": listen = try address(value, of: "--listen")
            case "--status": status = try address(value, of: "--status")
            default:
                guard let number = UInt16(value), number > 0 else {
                    throw Mistake(sentence: "--as-backend needs a port, 1 to 65535")
                }
                port = number
            }
        }
        if let port { return .backend(port: port) }
        guard listen != status else { throw Mistake(sentence: "--listen and --status need an address each") }
        return .show(listen: listen, status: status)
    }

    /// Only loopback addresses are allowed, so the status page needs no token.
    private static func address(_ text: String, of option: String) throws(Mistake) -> SocketAddress {
        let address: SocketAddress
        do throws(ValueProblem) {
            address = try AddressParser.process(text)
        } catch {
            throw Mistake(sentence: "\(option): \(text.quoted) \(error.predicate)")
        }
        guard address.isLoopback else {
            throw Mistake(sentence: "\(option) needs an address of this machine, such as 127.0.0.1:8080")
        }
        return address
    }

    private static let usage = """
        Usage: ondemandd demo [--listen ADDRESS] [--status ADDRESS]

        demo: run a self-contained demo.

        The daemon runs in front of a small server, which is this executable again, and prints the address of the
        status page. There a WebSocket can be opened and closed. The page at the address for clients updates itself in
        all browser windows, through a cable of the daemon. Ctrl-C ends the demo. No file is written.

          --listen ADDRESS   address for clients; default \(usualListen)
          --status ADDRESS   address of the status page; default \(usualStatus)

        The demo starts its server with "ondemandd demo --as-backend PORT".

        Exit codes: 0 ended by a signal, 64 invalid arguments, 71 an address is in use.

        """
}
