/// Reads `RunEvents` from pieces of any size.
struct RunFollower {
    enum Event: Equatable {
        case began(id: String)
        case output([UInt8])
        case ended(Result)
    }

    struct Result: Equatable {
        /// Whether the program exited with status 0.
        let hasSucceeded: Bool
        /// `status 3 after 12s`
        let sentence: String
    }

    private var line: [UInt8] = []

    /// Ignores invalid lines.
    mutating func take(_ bytes: ArraySlice<UInt8>) -> [Event] {
        var events: [Event] = []
        var rest = bytes
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            line += rest[..<end]
            if let event = Self.event(line) { events.append(event) }
            line = []
            rest = rest[(end + 1)...]
        }
        line += rest
        return events
    }

    private static func event(_ line: [UInt8]) -> Event? {
        guard let object = try? JSONReader.read(line) else { return nil }
        if case .string(let text)? = object.member("output")?.content { return .output(Array(text.utf8)) }
        if case .string(let id)? = object.member("id")?.content { return .began(id: id) }
        guard let end = object.member("end"), case .string(let result)? = end.member("result")?.content else {
            return nil
        }
        var duration = ""
        if case .number(let number)? = end.member("duration_ms")?.content, let milliseconds = number.integer {
            duration = " after \(StatusTable.age(.milliseconds(milliseconds)))"
        }
        let exited = end.member("ending")?.content == .string(RunEnding.exited.rawValue)
        let zero =
            if case .number(let status)? = end.member("exit_status")?.content { status.integer == 0 } else { false }
        return .ended(Result(hasSucceeded: exited && zero, sentence: result + duration))
    }
}
