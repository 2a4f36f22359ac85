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
