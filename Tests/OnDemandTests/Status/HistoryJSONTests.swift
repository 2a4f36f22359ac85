import Foundation
import Testing

@testable import OnDemand

@Suite struct HistoryJSONTests {
    private let now: Int64 = 1_795_276_800

    private var days: [ServiceHistory] {
        var cable = ServiceHistory(name: "action-cable")
        cable.states.entered(.asleep, at: now - 90)
        cable.states.entered(.starting, at: now - 60)
        cable.connections.connected(3, at: now)
        return [cable, ServiceHistory(name: "redis")]
    }

    @Test("the history is JSON with its documented keys")
    func told() throws {
        let data = Data(HistoryJSON.text(of: days, at: now).utf8)
        let read = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
        #expect(read["version"] as? Int == 1 && read["at"] as? Int64 == now)
        let services = try #require(read["services"] as? [NSDictionary])
        let states: NSArray = [["asleep", now - 90], ["starting", now - 60]]
        #expect(services[0]["states"] as? NSArray == states)
        let connections = try #require(services[0]["connections"] as? NSDictionary)
        #expect(connections["step_s"] as? Int == 300 && connections["until"] as? Int64 == now + 300)
        #expect((connections["peaks"] as? [Int])?.suffix(2) == [0, 3])
        #expect(services[1]["connections"] is NSNull && (services[1]["states"] as? NSArray)?.count == 0)
    }

    @Test("the next daemon reads the history, and adds the time between as unknown")
    func readBack() throws {
        let read = try HistoryJSON.read(Array(HistoryJSON.text(of: days, at: now).utf8), at: now + 600)
        #expect(read.map(\.name) == ["action-cable", "redis"])
        #expect(read[0].states.intervals.dropLast() == days[0].states.intervals[...])
        #expect(read[0].states.intervals.last == .init(state: nil, since: now))
        #expect(read[0].connections.peaks.suffix(4) == [0, 3, 0, 0])
        #expect(read[1] == ServiceHistory(name: "redis"))
    }

    @Test("of each service at most the last states up to the limit are written")
    func limited() throws {
        let read = try HistoryJSON.read(Array(HistoryJSON.text(of: days, at: now, states: 1).utf8), at: now)
        #expect(read[0].states.intervals.map(\.state) == [.starting, nil])
    }

    @Test("the largest written file can be read")
    func largest() throws {
        let share = 100
        let days = (0..<(Limits.historyIntervalsKept / share)).map { number in
            var day = ServiceHistory(name: String(repeating: "n", count: 60) + "\(number)")
            for change in 0..<share {
                day.states.entered(change.isMultiple(of: 2) ? .backoff : .starting, at: now + Int64(change))
            }
            day.connections.connected(100_000, at: now)
            return day
        }
        #expect(HistoryJSON.text(of: days, at: now, states: share).utf8.count < JSONReader.byteLimit)
    }

    @Test(
        "a foreign file is rejected as a whole, with a reason",
        arguments: [
            ("", "the text is empty"), ("[]", "its version is unknown"), ("{}", "its version is unknown"),
            (#"{"version":2}"#, "its version is unknown"), (#"{"version":1}"#, "its format is unknown"),
            (#"{"version":1,"at":1,"services":[{}]}"#, "its format is unknown"),
            (
                #"{"version":1,"at":1,"services":[{"name":"a","states":[["dancing",1]],"connections":null}]}"#,
                "not what"
            ),
            (
                #"{"version":1,"at":9,"services":[{"name":"a","states":[["asleep",2],["ready",1]],"connections":null}]}"#,
                "not what"
            ),
            (
                #"{"version":1,"at":1,"services":[{"name":"a","states":[],"connections":{"step_s":300,"until":600,"peaks":[1]}}]}"#,
                "not what"
            ),
            (#"{"version":1,"at":1,"services":[{"name":"a","states":[]}]}"#, "its format is unknown"),
        ])
    func foreign(text: String, reason: String) {
        let problem = #expect(throws: HistoryJSON.Problem.self) { try HistoryJSON.read(Array(text.utf8), at: 10) }
        #expect(problem?.sentence.contains(reason) == true, "\(problem?.sentence ?? "it was believed")")
    }

    @Test("times out of range are ignored, and those at the edge are valid")
    func edges() throws {
        let peaks = Array(repeating: "4294967295", count: ConnectionHistory.steps).joined(separator: ",")
        let text = { (number: String) in
            """
            {"version":1,"at":\(number),"services":[{"name":"a","states":[["asleep",\(number)]],
            "connections":{"step_s":300,"until":\(number),"peaks":[\(peaks)]}}]}
            """
        }
        for number in ["9223372036854775807", "-9223372036854775808", "-1", "253402300800", "1.5", "1e3"] {
            #expect(throws: HistoryJSON.Problem.foreign) {
                try HistoryJSON.read(Array(text(number).utf8), at: now)
            }
        }
        for number in ["0", "253402300799"] {
            let days = try HistoryJSON.read(Array(text(number).utf8), at: now)
            #expect(days[0].states.intervals.allSatisfy { $0.since <= now })
            #expect(days[0].connections.peaks.count == ConnectionHistory.steps)
        }
    }
}
