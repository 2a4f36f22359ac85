/// Why a template of `streams.channels` is not usable.
enum StreamTemplateError: Error, Equatable, Sendable {
    case empty
    case unclosedBrace
    case strayBrace
    case emptyParameter
    /// `{channel}` is the class that the template belongs to.
    case channelParameter

    var sentence: String {
        switch self {
        case .empty: "a stream needs a name"
        case .unclosedBrace: "a \"{\" without \"}\"; write {param}"
        case .strayBrace: "a brace that is not part of {param}; braces cannot occur in the name itself"
        case .emptyParameter: "{} names no parameter"
        case .channelParameter: "{channel} is always this channel; write its name"
        }
    }
}
