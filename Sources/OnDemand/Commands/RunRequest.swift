/// The parameters of a run, as a client or an operator gives them.
///
/// Each declared parameter is required and no other is accepted. A value is a string or an integer of at most
/// `Limits.commandParameterBytes` letters, digits, `.`, `_` and `-`. It reaches the program as a variable and the
/// stream's name, never an argument or a shell.
struct RunRequest: Equatable, Sendable {
    /// In the order of the declared names.
    let values: [String]

    /// Reads a JSON object. An empty body is an object without members.
    init(body: [UInt8], parameters: [String]) throws(RunRequestError) {
        guard !body.isEmpty else {
            try self.init([], parameters: parameters)
            return
        }
        let value: JSONValue
        do throws(JSONError) { value = try JSONReader.read(body) } catch { throw .notJSON }
        guard case .object(let members) = value.content else { throw .notAnObject }
        var given: [(name: String, value: String)] = []
        for member in members {
            guard parameters.contains(member.key) else { throw .unknown(member.key) }
            switch member.value.content {
            case .string(let text): given.append((member.key, text))
            case .number(let number):
                guard number.isInteger else { throw .wrongType(member.key) }
                given.append((member.key, number.text))
            case .null, .boolean, .array, .object: throw .wrongType(member.key)
            }
        }
        try self.init(given, parameters: parameters)
    }

    init(_ given: [(name: String, value: String)], parameters: [String]) throws(RunRequestError) {
        var values: [String?] = Array(repeating: nil, count: parameters.count)
        for (name, value) in given {
            guard let position = parameters.firstIndex(of: name) else { throw .unknown(name) }
            guard values[position] == nil else { throw .repeated(name) }
            guard Limits.commandParameterBytes.contains(value.utf8.count) else { throw .wrongLength(name) }
            guard value.utf8.allSatisfy(Self.isAllowed) else { throw .wrongCharacter(name) }
            // A program may use a value as the name of a file.
            guard value != ".", value != ".." else { throw .directory(name) }
            values[position] = value
        }
        if let missing = values.firstIndex(of: nil) { throw .missing(parameters[missing]) }
        self.values = values.compactMap(\.self)
    }

    /// Of the variables of parameters, and of no others.
    static let variablePrefix = "PARAM_"

    /// The variables of the program.
    func variables(_ parameters: [String]) -> [LaunchCommand.Variable] {
        zip(parameters, values).map { .init(name: "\(Self.variablePrefix)\($0.uppercased())", value: $1) }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "._-".utf8.contains(byte)
        }
    }
}

/// Why a request starts no run. No sentence has a value.
enum RunRequestError: Error, Equatable {
    case notJSON
    case notAnObject
    case unknown(String)
    case missing(String)
    case repeated(String)
    case wrongType(String)
    case wrongLength(String)
    case wrongCharacter(String)
    case directory(String)

    var sentence: String {
        let most = Limits.commandParameterBytes.upperBound
        return switch self {
        case .notJSON: "The body is not valid JSON, or repeats a key."
        case .notAnObject: "The body is not a JSON object of parameters."
        case .unknown(let name): "The command has no parameter \(Self.shown(name))."
        case .missing(let name): "The parameter \(Self.shown(name)) is missing."
        case .repeated(let name): "The parameter \(Self.shown(name)) is given twice."
        case .wrongType(let name): "The parameter \(Self.shown(name)) is neither a string nor an integer."
        case .wrongLength(let name): "The parameter \(Self.shown(name)) does not have 1 to \(most) characters."
        case .wrongCharacter(let name):
            "The parameter \(Self.shown(name)) has a character other than letters, digits, \".\", \"_\" and \"-\"."
        case .directory(let name): "The parameter \(Self.shown(name)) is the name of a directory."
        }
    }

    /// A client may name it as it likes.
    private static func shown(_ name: String) -> String {
        JSONText.quoted(String(decoding: name.utf8.prefix(Limits.commandParameterNameBytes.upperBound), as: UTF8.self))
    }
}

extension JSONNumber {
    /// Digits, with a sign or without.
    fileprivate var isInteger: Bool { text.utf8.allSatisfy { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) } }
}
