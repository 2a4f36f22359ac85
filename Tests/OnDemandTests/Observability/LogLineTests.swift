import Foundation
import Testing

@testable import OnDemand

struct LogLineTests {
    private func line(_ fields: LogField..., event: LogEvent = .started, as format: LogFormat) -> String {
        let line = LogLine(event: event, fields: fields, time: "2026-11-21T08:15:55.123Z")
        return String(decoding: line.rendered(as: format), as: UTF8.self)
    }

    @Test("a text line has a time, a level in a column, an event, and its fields in order")
    func text() {
        let text = line(LogField("service", "cable"), LogField("pid", 17), as: .text)
        #expect(text == "2026-11-21T08:15:55.123Z info    started service=cable pid=17\n")
        let warning = line(event: .logLinesDropped, as: .text)
        #expect(warning == "2026-11-21T08:15:55.123Z warning log_lines_dropped\n")
    }

    @Test("a journal line begins with its priority, and has no time and no level")
    func journal() {
        #expect(line(LogField("service", "a b"), as: .journal) == "<6>started service=\"a b\"\n")
        let priorities = [LogEvent.crashed, .addressConflict, .ready, .queued].map {
            line(event: $0, as: .journal).prefix(3)
        }
        #expect(priorities == ["<3>", "<4>", "<6>", "<7>"])
    }

    @Test("a terminal shows important levels in colour, in the same columns")
    func colours() {
        let line = LogLine(event: .crashed, fields: [], time: "now")
        #expect(line.rendered(as: .text, paint: .colours) == Array("now \u{1b}[31merror\u{1b}[0m   crashed\n".utf8))
        #expect(line.rendered(as: .json, paint: .colours) == line.rendered(as: .json))
        #expect(line.rendered(as: .auto) == line.rendered(as: .text))
    }

    @Test(
        "an ambiguous value is quoted",
        arguments: [
            ("", #""""#), ("a b", #""a b""#), ("a=b", #""a=b""#), (#"say "x""#, #""say \"x\"""#), ("a\nb", #""a\nb""#),
            ("\u{7f}", #""\u007f""#), ("plain", "plain"), ("ü", "ü"), ("/a?b", "/a?b"), ("\u{9b}31m", #""\u009b31m""#),
        ])
    func quoting(value: String, shown: String) {
        #expect(line(LogField("x", value), as: .text).hasSuffix(" x=\(shown)\n"))
    }

    @Test("a JSON line is one object with the content of the text line")
    func json() throws {
        let text = line(LogField("service", "ca\"ble"), LogField("pid", -17), as: .json)
        #expect(text.hasSuffix("}\n") && text.count { $0 == "\n" } == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["time"] as? String == "2026-11-21T08:15:55.123Z")
        #expect(object["level"] as? String == "info")
        #expect(object["event"] as? String == "started")
        #expect(object["service"] as? String == "ca\"ble")
        #expect(object["pid"] as? Int == -17)
        #expect(object.count == 5)
    }

    @Test("any field content stays in one line in both formats, and Foundation parses the object", arguments: 1...4)
    func anyText(seed: UInt64) throws {
        var generator = Seeded(seed: seed)
        for _ in 0..<200 {
            let scalars = (0..<12).map { _ in
                Unicode.Scalar(UInt8.random(in: 0...255, using: &generator))
            }
            let value = String(String.UnicodeScalarView(scalars))
            #expect(line(LogField("line", value), as: .text).utf8.count { $0 == 0x0a } == 1)
            let json = line(LogField("line", value), as: .json)
            #expect(json.utf8.count { $0 == 0x0a } == 1)
            let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            #expect((object["line"] as? String).map { Array($0.unicodeScalars) } == scalars)
        }
    }

    @Test("every event has its own word in the alphabet of the log, and a level")
    func words() {
        let words = LogEvent.allCases.map(\.rawValue)
        #expect(Set(words).count == words.count)
        for word in words { #expect(word.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x5f }, "\(word)") }
        #expect(Set(LogEvent.allCases.map(\.level)) == Set(LogLevel.allCases))
    }

    @Test("levels are ordered from the fewest lines to the most")
    func levels() {
        #expect(LogLevel.allCases.sorted() == [.error, .warning, .info, .debug])
    }
}
