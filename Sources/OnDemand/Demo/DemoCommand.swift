/// `ondemandd demo`: a backend's whole life on a machine that has nothing but this executable.
public struct DemoCommand: Equatable, Sendable {
    enum Role: Equatable {
        /// The daemon, in front of a backend that is this executable again.
        case show(listen: SocketAddress, status: SocketAddress)
        /// That backend.
        case backend(port: UInt16)
    }

    let role: Role

    /// What words on a command line mean.
    public enum Reading: Equatable, Sendable {
        /// A complete command.
        case command(DemoCommand)
        /// A request for the usage.
        case help(String)
        /// One sentence on the error, and the usage.
        case mistake(String, usage: String)
    }

    /// What it is for, as it stands in the list of commands.
    public static let list = "  demo                        shows a backend wake and fall asleep; needs nothing else\n"

    static let usualListen = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)
    static let usualStatus = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 9292)

    /// nil where the words begin with no such command.
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

    /// A demonstration is for this machine: nobody else is let in, and so the page needs no token.
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

        demo: shows a backend wake and fall asleep; needs nothing else.

        The daemon runs in front of a small server, which is this executable again, and tells which page to open:
        there a WebSocket can be opened and closed. Ctrl-C ends it. Nothing is written to any file.

          --listen ADDRESS   where clients connect, instead of \(usualListen)
          --status ADDRESS   where the page is, instead of \(usualStatus)

        The small server is "ondemandd demo --as-backend PORT"; nobody else needs to call it that.

        Exit codes: 0 ended by a signal, 64 these arguments make no sense, 71 an address is in use.

        """
}
