/// The last 24 hours as JSON: the body of `/api/history`, and the file in `state_dir`. Keys are documented in
/// docs/API.md.
enum HistoryJSON {
    /// The state of an interval in which the daemon was not running.
    private static let unknown = "unknown"

    /// Returns the histories at `now`; of each service at most the last `limit` states.
    static func text(of days: [ServiceHistory], at now: Int64, states limit: Int = .max) -> String {
        let services = days.map { day in
            let states = day.states.intervals.suffix(limit).map { interval in
                "[\(JSONText.quoted(interval.state?.rawValue ?? unknown)),\(interval.since)]"
            }
            return "{\"name\":\(JSONText.quoted(day.name)),\"states\":[\(states.joined(separator: ","))],"
                + "\"connections\":\(text(of: day.connections))}"
        }
        return "{\"version\":1,\"at\":\(now),\"services\":[\(services.joined(separator: ","))]}"
    }

    private static func text(of connections: ConnectionHistory) -> String {
        guard !connections.peaks.isEmpty else { return "null" }
        let peaks = connections.peaks.map { "\($0)" }.joined(separator: ",")
        let until = (connections.latest + 1) * ConnectionHistory.stepSeconds
        return "{\"step_s\":\(ConnectionHistory.stepSeconds),\"until\":\(until),\"peaks\":[\(peaks)]}"
    }

    /// Parses the file of an earlier daemon; rejects it as a whole where any part is invalid.
    static func read(_ bytes: [UInt8], at now: Int64) throws(Problem) -> [ServiceHistory] {
        let file: JSONValue
        do { file = try JSONReader.read(bytes) } catch { throw Problem(sentence: error.sentence) }
        guard file["version"]?.integer == 1 else { throw Problem(sentence: "its version is unknown") }
        guard let savedAt = file["at"]?.moment, let services = file["services"]?.items else { throw .foreign }
        return try services.map { service throws(Problem) in
            guard let name = service["name"]?.text, let states = service["states"]?.items else { throw .foreign }
            let intervals = try states.map { state throws(Problem) in try interval(state) }
            guard zip(intervals, intervals.dropFirst()).allSatisfy({ $0.since <= $1.since }),
                intervals.count <= Limits.historyIntervals
            else { throw .foreign }
            return ServiceHistory(
                name: name, states: .restored(intervals, savedAt: savedAt, at: now),
                connections: try connections(service["connections"], at: now))
        }
    }

    private static func interval(_ value: JSONValue) throws(Problem) -> StateHistory.Interval {
        guard let pair = value.items, pair.count == 2, let name = pair[0].text, let since = pair[1].moment else {
            throw .foreign
        }
        let state = BackendState(rawValue: name)
        guard state != nil || name == unknown else { throw .foreign }
        return StateHistory.Interval(state: state, since: since)
    }

    private static func connections(_ value: JSONValue?, at now: Int64) throws(Problem) -> ConnectionHistory {
        if value?.content == .null { return ConnectionHistory() }
        guard let value, value["step_s"]?.integer == Int(ConnectionHistory.stepSeconds),
            let until = value["until"]?.moment, let peaks = value["peaks"]?.items,
            peaks.count == ConnectionHistory.steps
        else { throw .foreign }
        let counts = try peaks.map { peak throws(Problem) in
            guard let count = peak.integer, let exact = UInt32(exactly: count) else { throw .foreign }
            return exact
        }
        return .restored(counts, latest: until / ConnectionHistory.stepSeconds - 1, at: now)
    }

    /// Why a file is unreadable.
    struct Problem: Error, Equatable {
        let sentence: String

        static let foreign = Problem(sentence: "its format is unknown")
    }
}

extension JSONValue {
    fileprivate subscript(key: String) -> JSONValue? {
        guard case .object(let members) = content else { return nil }
        return members.first { $0.key == key }?.value
    }

    fileprivate var items: [JSONValue]? {
        guard case .array(let items) = content else { return nil }
        return items
    }

    fileprivate var text: String? {
        guard case .string(let text) = content else { return nil }
        return text
    }

    fileprivate var integer: Int? {
        guard case .number(let number) = content else { return nil }
        return number.integer
    }

    /// Seconds since 1970, up to the year 9999; nil outside.
    fileprivate var moment: Int64? {
        guard let integer, (0...253_402_300_799).contains(integer) else { return nil }
        return Int64(integer)
    }
}
