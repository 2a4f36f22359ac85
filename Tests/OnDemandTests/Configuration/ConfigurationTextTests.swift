import Testing

@testable import OnDemand

struct DurationParserTests {
    @Test(
        "durations have the usual notation",
        arguments: [
            ("250ms", .milliseconds(250)), ("30s", .seconds(30)), ("15m", .seconds(900)), ("1h30m", .seconds(5400)),
            ("2d", .seconds(172_800)), ("1d2h3m4s5ms", .milliseconds(93_784_005)), ("0", .zero), ("0s", .zero),
            ("90m", .seconds(5400)), ("007s", .seconds(7)), ("1s500ms", .milliseconds(1500)),
            ("106751d", .seconds(106_751 * 86_400)),
        ] as [(String, Duration)])
    func accepted(text: String, duration: Duration) throws {
        #expect(try DurationParser.parse(text) == duration)
    }

    @Test(
        "each invalid duration has its error",
        arguments: [
            ("", "is not a duration"), ("s", "is not a duration"), ("-1s", "is not a duration"),
            (" 1s", "is not a duration"),
            ("30", "has no unit; write \"30s\""), ("1h30", "has no unit"), ("1.5s", "unknown unit \".\""),
            ("30S", "unknown unit \"S\""), ("30 s", "unknown unit \" s\""), ("1us", "unknown unit \"us\""),
            ("1w", "unknown unit \"w\""), ("1sec", "unknown unit \"sec\""), ("1s1s", "each unit once"),
            ("30s1m", "the longest first"), ("5ms1s", "the longest first"), ("106752d", "longer than 292 years"),
            ("99999999999999999999s", "longer than 292 years"), ("9223372036854775807h", "longer than 292 years"),
            ("106751d24h", "longer than 292 years"),
        ])
    func refused(text: String, predicate: String) {
        let problem = #expect(throws: ValueProblem.self) { try DurationParser.parse(text) }
        #expect(problem?.predicate.contains(predicate) == true, "\(String(describing: problem))")
    }
}

struct AddressParserTests {
    @Test(
        "every form of listen is parsed",
        arguments: [
            ("127.0.0.1:3000", "127.0.0.1:3000"), ("localhost:3000", "127.0.0.1:3000"), ("0.0.0.0:0", "0.0.0.0:0"),
            ("3000", "0.0.0.0:3000"), (":3000", "0.0.0.0:3000"), (":0", "0.0.0.0:0"), ("[::1]:3000", "[::1]:3000"),
            ("[::]:65535", "[::]:65535"), ("[2001:DB8:0:0::1]:80", "[2001:db8::1]:80"),
            ("unix:/run/od.sock", "unix:/run/od.sock"), ("unix:od.sock", "unix:od.sock"),
        ])
    func listen(text: String, address: String) throws {
        #expect(try AddressParser.listen(text).description == address)
    }

    @Test(
        "each invalid listener has its error",
        arguments: [
            ("", "has no port"), ("127.0.0.1", "has no port"), ("127.0.0.1:", "has no number for a port"),
            (":", "has no number for a port"), ("127.0.0.1:x", "has no number for a port"),
            ("127.0.0.1:-1", "no number"),
            ("127.0.0.1:+1", "no number"), (":65536", "beyond 65535"), ("99999999999", "beyond 65535"),
            ("256.0.0.1:1", "has no IPv4 address"), ("1.2.3:1", "has no IPv4 address"), ("01.2.3.4:1", "leading zeros"),
            ("::1:3000", "in brackets"), ("[::1:3000", "no bracket that closes"), ("[::1]", "has no port"),
            ("[::1]3000", "something other than a port"), ("[::g]:1", "no IPv6 address"), ("[fe80::1%eth0]:1", "zones"),
            ("[127.0.0.1]:1", "no IPv6 address"), ("example.com:80", "has the host name \"example.com\""),
            ("*:80", "0.0.0.0"), ("unix:", "has no socket path"), ("unix:/a:/b", "has a colon"),
            ("unix:/\0", "zero byte"),
            ("unix:/a\nb", "control character"),
            ("unix:/\(String(repeating: "x", count: 107))", "more than 107 bytes"),
            ("http://127.0.0.1:1", "several colons"),
        ])
    func wrongListen(text: String, predicate: String) {
        let problem = #expect(throws: ValueProblem.self) { try AddressParser.listen(text) }
        #expect(problem?.predicate.contains(predicate) == true, "\(String(describing: problem))")
    }

    @Test("a socket's path may have the maximum length of the system")
    func longestSocket() throws {
        #expect(throws: Never.self) { try AddressParser.listen("unix:/\(String(repeating: "x", count: 106))") }
    }

    @Test(
        "every form of target is parsed",
        arguments: [
            ("http://127.0.0.1:28080/cable", "127.0.0.1:28080", "127.0.0.1:28080", "/cable"),
            ("http://127.0.0.1:28080", "127.0.0.1:28080", "127.0.0.1:28080", nil),
            ("http://localhost/", "127.0.0.1:80", "localhost", "/"),
            ("http://[::1]:81/a%20b", "[::1]:81", "[::1]:81", "/a%20b"),
            ("http://[::1]", "[::1]:80", "[::1]", nil),
            ("unix:/run/app.sock", "unix:/run/app.sock", "localhost", nil),
            ("unix:/run/app.sock:/cable", "unix:/run/app.sock", "localhost", "/cable"),
            ("unix:app.sock:/a:b", "unix:app.sock", "localhost", "/a:b"),
        ] as [(String, String, String, String?)])
    func target(text: String, address: String, authority: String, path: String?) throws {
        let target = try AddressParser.target(text)
        #expect(target.address.description == address)
        #expect(target.authority == authority && target.path == path)
    }

    @Test(
        "each invalid target has its error",
        arguments: [
            ("", "is not a target"), ("127.0.0.1:1", "is not a target"), ("/cable", "is not a target"),
            ("HTTP://h", "is not a target"),
            ("https://127.0.0.1", "uses TLS"), ("ws://127.0.0.1", "is written http://"),
            ("wss://h", "is written http://"),
            ("http://", "has no host"), ("http:///cable", "has no host"), ("http://127.0.0.1:0", "has the port 0"),
            ("http://127.0.0.1:65536", "beyond 65535"), ("http://127.0.0.1:/a", "no number for a port"),
            ("http://u:p@127.0.0.1", "has a user name"), ("http://rails:3000", "has the host name \"rails\""),
            ("http://127.0.0.1/a?b", "has a query"), ("http://127.0.0.1?b", "has a query"),
            ("http://127.0.0.1/#a", "fragment"),
            ("http://127.0.0.1/a b", "percent-encoded"), ("http://127.0.0.1/%2", "percent-encoded"),
            ("http://127.0.0.1/{region}", "placeholder"), ("http://127.0.0.1/a/*", "star"),
            ("http://127.0.0.1/a/../b", "\"..\" segment"), ("http://127.0.0.1\r\n/", "has the host name"),
            ("unix:", "has no socket path"), ("unix::/cable", "has no socket path"), ("unix:/s:", "no path behind"),
            ("unix:/s:cable", "no path behind"), ("unix:/s:/a?b", "has a query"),
        ])
    func wrongTarget(text: String, predicate: String) {
        let problem = #expect(throws: ValueProblem.self) { try AddressParser.target(text) }
        #expect(problem?.predicate.contains(predicate) == true, "\(String(describing: problem))")
    }
}

struct IPAddressTextTests {
    @Test(
        "IPv6 addresses are parsed in all their notations (RFC 4291, 2.2)",
        arguments: [
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:db8:0:0:8:800:200c:417a", "2001:db8::8:800:200c:417a"),
            ("FF01::101", "ff01::101"), ("0:0:0:0:0:0:0:0", "::"), ("::13.1.68.3", "::d01:4403"),
            ("::ffff:129.144.52.38", "::ffff:8190:3426"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("0001::00af", "1::af"),
        ])
    func accepted(text: String, canonical: String) throws {
        let octets = try #require(IPAddressText.ipv6(text))
        #expect(SocketAddress.ipv6(octets: octets, port: 0).host == canonical)
    }

    @Test(
        "an invalid IPv6 address is rejected",
        arguments: [
            "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8", "1:::2", "1.2.3.4::", "1.2.3.4", "::1.2.3", "::1.2.3.256", "::1.2.3.4:5",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1%lo", " ::1", "::1 ", "::-1", "::+1", "::\u{ff11}", "[::1]",
        ])
    func refused(text: String) { #expect(IPAddressText.ipv6(text) == nil) }

    @Test("the canonical form parses to the same address", arguments: 0..<100 as Range<UInt64>)
    func roundTrip(seed: UInt64) {
        var random = Seeded(seed: seed)
        let octets = (0..<8).flatMap { _ in
            Bool.random(using: &random)
                ? [0, 0] : [UInt8.random(in: 0...255, using: &random), UInt8.random(in: 0...255, using: &random)]
        }
        #expect(IPAddressText.ipv6(SocketAddress.ipv6(octets: octets, port: 0).host) == octets)
    }

    @Test("IPv4 addresses are four plain numbers")
    func ipv4() {
        #expect(IPAddressText.ipv4("127.0.0.1") == [127, 0, 0, 1])
        #expect(IPAddressText.ipv4("255.255.255.255") == [255, 255, 255, 255])
        for text in [
            "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "1.2.3.", ".1.2.3", "1..2.3", "+1.2.3.4",
            "0x1.2.3.4",
        ] {
            #expect(IPAddressText.ipv4(text) == nil)
        }
    }
}

struct InterpolationTests {
    private let interpolation = Interpolation(environment: ["A": "1", "EMPTY": "", "MONEY": "$5 ${A}"])

    @Test(
        "variables are expanded as in a shell",
        arguments: [
            ("", "", []), ("plain $A $ $$ {A} }", "plain $A $ $$ {A} }", []), ("${A}", "1", ["A"]),
            ("<${A}${A}>", "<11>", ["A", "A"]), ("${EMPTY}", "", ["EMPTY"]), ("${EMPTY:-x}", "x", ["EMPTY"]),
            ("${UNSET:-x y:-z}", "x y:-z", ["UNSET"]), ("${UNSET:-}", "", ["UNSET"]), ("${A:-x}", "1", ["A"]),
            ("${A:+x y}", "x y", ["A"]),
            ("${UNSET:+x}", "", ["UNSET"]), ("${EMPTY:+x}", "", ["EMPTY"]), ("${A:+}", "", ["A"]),
            ("$${A}", "${A}", []), ("$$${A}", "$${A}", []), ("${MONEY}", "$5 ${A}", ["MONEY"]),
            ("\u{e9}${A}\u{1F600}", "\u{e9}1\u{1F600}", ["A"]),
        ] as [(String, String, [String])])
    func expanded(template: String, text: String, origins: [String]) throws {
        #expect(try interpolation.expand(template) == Interpolation.Expanded(text: text, origins: origins))
    }

    @Test("dollars from the environment are doubled for a second expansion, those of the file are not")
    func doubled() throws {
        #expect(
            try interpolation.expand("$host ${MONEY} $$ $${A} ${UNSET:-$host}", dollars: .doubled).text
                == "$host $$5 $${A} $$ $${A} $host")
        #expect(try interpolation.expand("$$${A}", dollars: .doubled).text == "$$1")
    }

    @Test(
        "each invalid variable is named",
        arguments: [
            ("${UNSET}", "the environment variable UNSET is not set; write ${UNSET:-default}"),
            ("a ${A", "has no closing brace"), ("${", "has no closing brace"), ("${}", "\"${}\" is not one of"),
            ("${1A}", "\"${1A}\" is not one of"), ("${A-x}", "\"${A-x}\" is not one of"),
            ("${A+x}", "\"${A+x}\" is not one of"), ("${UNSET:=x}", "\"${UNSET:=x}\" is not one of"),
            ("${A:}", "\"${A:}\" is not one of"), ("${A B}", "\"${A B}\" is not one of"),
            ("${UNSET:-${A}}", "the default of ${UNSET} holds another"),
            ("${A:+${A}}", "the value of ${A} holds another"),
            ("${\u{e9}}", "is not one of ${NAME}, ${NAME:-default}, ${NAME:+value}"),
        ])
    func wrong(template: String, sentence: String) {
        let problem = #expect(throws: ValueProblem.self) { try interpolation.expand(template) }
        #expect(problem?.predicate.contains(sentence) == true, "\(String(describing: problem))")
    }
}

struct SuggestionTests {
    private let words = ["idle_timeout", "stop_timeout", "command", "args", "env", "max_queue", "enabled"]

    @Test(
        "a typing error gets a suggestion, and another word does not",
        arguments: [
            ("idle_timout", "idle_timeout"), ("idleTimeout", "idle_timeout"), ("IDLE-TIMEOUT", "idle_timeout"),
            ("comand", "command"), ("commadn", "command"), ("arg", "args"), ("evn", "env"), ("enable", "enabled"),
            ("max", "max_queue"), ("frobnicate", nil), ("", nil), ("x", nil), ("__", nil),
            (String(repeating: "long", count: 10_000), nil),
        ] as [(String, String?)])
    func nearest(word: String, expected: String?) {
        #expect(Suggestion.nearest(to: word, among: words) == expected)
    }
}
