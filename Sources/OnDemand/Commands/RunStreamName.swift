/// The name of the stream to which a run's output goes, with places for its parameters and its ID:
/// `command_output_{database}_{id}`.
///
/// Parameters may contain the text between them, so two runs with different parameters may share a name. With `{id}`
/// each run has a name of its own, and one that cannot be guessed.
struct RunStreamName: Equatable, Sendable {
    enum Part: Equatable, Sendable {
        case text(String)
        /// An index into the declared parameters.
        case parameter(Int)
        case id
    }

    let parts: [Part]

    /// `parameters`: the declared names, of which the template may use each any number of times.
    init(_ template: String, parameters: [String]) throws(RunStreamNameError) {
        guard !template.isEmpty else { throw .empty }
        var parts: [Part] = []
        var rest = Array(template.utf8)[...]
        while let first = rest.first {
            switch first {
            case UInt8(ascii: "{"):
                guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { throw .unclosedBrace }
                let name = String(decoding: rest[rest.startIndex + 1..<end], as: UTF8.self)
                guard !name.utf8.contains(UInt8(ascii: "{")) else { throw .strayBrace }
                parts.append(try Self.part(named: name, parameters))
                rest = rest[(end + 1)...]
            case UInt8(ascii: "}"): throw .strayBrace
            default:
                let end = rest.firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") } ?? rest.endIndex
                parts.append(.text(String(decoding: rest[..<end], as: UTF8.self)))
                rest = rest[end...]
            }
        }
        self.parts = parts
    }

    private static func part(named name: String, _ parameters: [String]) throws(RunStreamNameError) -> Part {
        if name == idName { return .id }
        guard let index = parameters.firstIndex(of: name) else { throw .unknownParameter(name) }
        return .parameter(index)
    }

    /// The place of the run's ID; no parameter may have this name.
    static let idName = "id"

    /// Whether each run has a stream of its own.
    var hasID: Bool { parts.contains(.id) }

    /// Returns the name for the values of all declared parameters, in their order.
    func name(parameters: [String], id: String) -> [UInt8] {
        parts.flatMap { part in
            switch part {
            case .text(let text): Array(text.utf8)
            case .parameter(let index): Array(parameters[index].utf8)
            case .id: Array(id.utf8)
            }
        }
    }

    /// Bytes of the longest name.
    var longest: Int {
        parts.reduce(0) { count, part in
            switch part {
            case .text(let text): count + text.utf8.count
            case .parameter: count + Limits.commandParameterBytes.upperBound
            case .id: count + Limits.runIDBytes
            }
        }
    }

    /// Returns the template with another text for each parameter and the ID.
    func text(_ place: (Part) -> String) -> String {
        parts.map { part in
            if case .text(let text) = part { text } else { place(part) }
        }.joined()
    }
}

/// Why a text is no template; the sentence continues after the text.
enum RunStreamNameError: Error, Equatable {
    case empty
    case unclosedBrace
    case strayBrace
    case unknownParameter(String)

    var sentence: String {
        switch self {
        case .empty: "is empty; a stream needs a name"
        case .unclosedBrace: "has a \"{\" without \"}\""
        case .strayBrace: "has a brace that is not part of a {parameter}"
        case .unknownParameter(let name):
            "names \("{\(name)}".quoted), which is neither one of the \"params\" nor {\(RunStreamName.idName)}"
        }
    }
}
