/// Whether output goes to a terminal, and its capabilities.
public struct Terminal: Equatable, Sendable {
    /// Whether written lines can be rewritten.
    let canRewrite: Bool
    let paint: ANSIStyle

    /// A file or a pipe: plain text.
    public static let none = Terminal(isTerminal: false, environment: [:])

    /// Respects a non-empty NO_COLOR (no-color.org); a dumb terminal gets plain text.
    init(isTerminal: Bool, environment: [String: String]) {
        canRewrite = isTerminal && environment["TERM"] != "dumb"
        paint = canRewrite && environment["NO_COLOR"]?.isEmpty ?? true ? .colours : .plain
    }
}

/// Colours of terminal output (ECMA-48, 8.3.117), or none.
enum ANSIStyle: Equatable, Sendable {
    case plain, colours

    enum Colour: Int {
        case red = 31
        case green = 32
        case yellow = 33
        case grey = 90
    }

    func callAsFunction(_ colour: Colour, _ text: String) -> String {
        self == .plain ? text : "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m"
    }
}
