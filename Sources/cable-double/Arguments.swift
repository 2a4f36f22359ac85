/// The command line with its defaults.
struct Arguments {
    enum Flood {
        case lines(Int)
        case forever
    }

    enum Address {
        case port(UInt16)
        case unix(String)
    }

    var address: Address?
    var listenAfter = Duration.zero
    var neverListen = false
    var exitAtOnce: Int32?
    var exitAfter: Duration?
    var crashAfterAccept = false
    var ignoreTerm = false
    var grandchild = false
    var grandchildOwnSession = false
    var flood: Flood?
    var unterminated = false
    var environmentFile: String?
    var digests = false
    var help = false

    static let usage = """
        usage: cable-double [--port N | --unix PATH] [switches]

        Without --port and --unix the environment's PORT is used; port 0 chooses a free one.

          --port N                  listen on 127.0.0.1:N
          --unix PATH               listen on a Unix socket
          --listen-after DURATION   boot slowly: 300ms, 2s
          --never-listen            run, but never listen
          --exit-at-once CODE       exit before anything else
          --exit-after DURATION     exit with 0 after this time
          --crash-after-accept      abort when the first client arrives
          --ignore-term             do not react to SIGTERM
          --grandchild              start a sleeping child in the same process group
          --grandchild-own-session  start a sleeping child in a session of its own
          --flood LINES|forever     print long lines, to stdout and stderr in turns
          --unterminated            print 1 MiB without a newline once it listens
          --environment-file PATH   write down what this process inherited
          --digests                 compute what standard input asks for, line by line, and exit
          --help                    print this
        """

    init(_ words: [String]) throws(ArgumentError) {
        var rest = words[...]
        while let word = rest.popFirst() { try take(word, &rest) }
        guard address == nil, let port = Process.environment(named: "PORT") else { return }
        address = .port(try Self.number(port, of: "PORT"))
    }

    private mutating func take(_ word: String, _ rest: inout ArraySlice<String>) throws(ArgumentError) {
        switch word {
        case "--port": address = .port(try Self.number(Self.value(of: word, &rest), of: word))
        case "--unix": address = .unix(try Self.value(of: word, &rest))
        case "--listen-after": listenAfter = try Self.duration(Self.value(of: word, &rest), of: word)
        case "--never-listen": neverListen = true
        case "--exit-at-once": exitAtOnce = try Self.number(Self.value(of: word, &rest), of: word)
        case "--exit-after": exitAfter = try Self.duration(Self.value(of: word, &rest), of: word)
        case "--crash-after-accept": crashAfterAccept = true
        case "--ignore-term": ignoreTerm = true
        case "--grandchild": grandchild = true
        case "--grandchild-own-session": grandchildOwnSession = true
        case "--flood":
            let value = try Self.value(of: word, &rest)
            flood = value == "forever" ? .forever : .lines(try Self.number(value, of: word))
        case "--unterminated": unterminated = true
        case "--environment-file": environmentFile = try Self.value(of: word, &rest)
        case "--digests": digests = true
        case "--help": help = true
        default: throw ArgumentError(sentence: "\(word) is not a switch.")
        }
    }

    private static func value(of word: String, _ rest: inout ArraySlice<String>) throws(ArgumentError) -> String {
        guard let value = rest.popFirst() else { throw ArgumentError(sentence: "\(word) needs a value.") }
        return value
    }

    private static func number<Number: FixedWidthInteger>(
        _ text: String, of word: String
    ) throws(ArgumentError) -> Number {
        guard let number = Number(text) else { throw ArgumentError(sentence: "\(word) cannot be \(text).") }
        return number
    }

    private static func duration(_ text: String, of word: String) throws(ArgumentError) -> Duration {
        if text.hasSuffix("ms"), let count = UInt32(text.dropLast(2)) { return .milliseconds(count) }
        if text.hasSuffix("s"), let count = UInt32(text.dropLast()) { return .seconds(count) }
        throw ArgumentError(sentence: "\(word) takes milliseconds or seconds, as in 300ms or 2s, not \(text).")
    }
}

struct ArgumentError: Error {
    let sentence: String
}
