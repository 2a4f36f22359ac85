/// The response to an operator who starts a run and follows its output: JSON objects, one in a line.
///
/// The first one has the `id` of the run, each of the next ones a piece of its `output`, and the last one its `end`
/// with keys as in docs/API.md. A response without an `end` was cut off, and the run may go on.
enum RunEvents {
    /// Its end is the end of the connection.
    static let head = Array(
        """
        HTTP/1.1 200 OK\r
        Content-Type: application/x-ndjson\r
        Cache-Control: no-store\r
        Connection: close\r
        \r

        """.utf8)

    static func began(_ id: String) -> [UInt8] { Array("{\"id\":\(JSONText.quoted(id))}\n".utf8) }

    /// Output is cut between characters, so no byte is lost here.
    static func output(_ bytes: [UInt8]) -> [UInt8] {
        Array("{\"output\":\(JSONText.quoted(String(decoding: bytes, as: UTF8.self)))}\n".utf8)
    }

    static func ended(_ run: Snapshot.Run) -> [UInt8] {
        var members = [("result", JSONText.quoted(run.result))]
        switch run.exit {
        case .status(let status): members.append(("exit_status", "\(status)"))
        case .signal(let signal): members.append(("signal", "\(signal)"))
        case nil: break
        }
        if let ending = run.ending { members.append(("ending", JSONText.quoted(ending.rawValue))) }
        members.append(("duration_ms", "\(run.duration.wholeMilliseconds)"))
        return Array("{\"end\":{\(members.map { "\"\($0)\":\($1)" }.joined(separator: ","))}}\n".utf8)
    }
}

/// Reads these lines from pieces of any size.
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

    /// A line that is no such object says nothing.
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
