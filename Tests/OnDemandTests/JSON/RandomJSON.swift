/// Writes random JSON texts, and breaks them, all from one seed.
struct RandomJSON {
    private var random: Seeded

    init(seed: UInt64) { random = Seeded(seed: seed) }

    mutating func value(depth: Int) -> String {
        let text =
            switch Int.random(in: 0..<(depth < 5 ? 8 : 5), using: &random) {
            case 0: "null"
            case 1: Bool.random(using: &random) ? "true" : "false"
            case 2, 3: number()
            case 4: string()
            case 5, 6: array(depth: depth)
            default: object(depth: depth)
            }
        return space() + text + space()
    }

    /// Changes, drops, adds or cuts off some bytes.
    mutating func damage(_ bytes: inout [UInt8]) {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            guard !bytes.isEmpty else { return }
            let index = Int.random(in: 0..<bytes.count, using: &random)
            let interesting = Array("{}[],:\"\\u0-+.eE1 \n/'\u{1}\u{e9}".utf8)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[index] = interesting.randomElement(using: &random) ?? 0
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: index)
            default: bytes.removeSubrange(index...)
            }
        }
    }

    private mutating func array(depth: Int) -> String {
        let items = (0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth: depth + 1) }
        return "[" + items.joined(separator: ",") + (items.isEmpty ? space() : "") + "]"
    }

    private mutating func object(depth: Int) -> String {
        let members = (0..<Int.random(in: 0...4, using: &random)).map { index in
            "\(space())\"\(index)\(string().dropFirst())\(space()):\(value(depth: depth + 1))"
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private mutating func number() -> String {
        var text = Bool.random(using: &random) ? "-" : ""
        text += Bool.random(using: &random) ? "0" : String(Int.random(in: 1...999_999_999, using: &random))
        if Bool.random(using: &random) { text += ".\(Int.random(in: 0...9999, using: &random))" }
        if Int.random(in: 0..<4, using: &random) == 0 {
            text += ["e", "E"].randomElement(using: &random) ?? ""
            text += ["", "+", "-"].randomElement(using: &random) ?? ""
            text += String(Int.random(in: 0...40, using: &random))
        }
        return text
    }

    private mutating func string() -> String {
        let pieces = [
            "a", "Z", " ", "/", "\u{e9}", "\u{20ac}", "\u{1F600}", "\u{7f}", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n",
            "\\r", "\\t", "\\u0000", "\\u00E9", "\\ud83d\\ude00", "\\uD834\\uDD1E", "'", "{", "]", "${A}",
        ]
        let content = (0..<Int.random(in: 0...8, using: &random)).map { _ in pieces.randomElement(using: &random) ?? ""
        }
        return "\"" + content.joined() + "\""
    }

    private mutating func space() -> String { ["", "", " ", "\n", "\t", "\r\n"].randomElement(using: &random) ?? "" }
}
