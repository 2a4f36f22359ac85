/// Whether somebody reads this at a terminal, and what that terminal may be asked for.
public struct Terminal: Equatable, Sendable {
    /// A line that was written can be written anew.
    let canRewrite: Bool
    let paint: ANSIStyle

    /// A file or a pipe: text stays text.
    public static let none = Terminal(isTerminal: false, environment: [:])

    /// NO_COLOR counts once it says anything (no-color.org); a dumb terminal obeys nothing at all.
    init(isTerminal: Bool, environment: [String: String]) {
        canRewrite = isTerminal && environment["TERM"] != "dumb"
        paint = canRewrite && environment["NO_COLOR"]?.isEmpty ?? true ? .colours : .plain
    }
}

/// Colours for what people read (ECMA-48, 8.3.117), or none.
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
