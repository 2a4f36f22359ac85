import Testing

@testable import OnDemand

/// Error texts for invalid configurations, each with its position.
struct ConfigurationErrorTests {
    @Test("errors have the format of compilers")
    func rendering() {
        let file = Sample.example.replacing("idle_timeout", with: "idle_timout").replacing("\"15m\"", with: "\"15\"")
            .replacing(":28080/cable", with: ":0/cable")
        #expect(
            rendered(file, ["RAILS_ROOT": "x"]) == [
                "c.json:8:17: error: reverse_proxies[0].target: \"http://127.0.0.1:0/cable\" has the port 0, which is"
                    + " not a valid destination",
                "c.json:20:9: error: reverse_proxies[0].on_demand: unknown key \"idle_timout\"; did you mean"
                    + " \"idle_timeout\"?",
            ])
        #expect(
            rendered("{\"listen\": 3000,\n}") == [
                "c.json:1:16: error: this comma is followed by nothing; JSON allows none after the last item"
            ])
    }

    @Test("all independent errors are found in one run, in the order of the file")
    func allAtOnce() {
        let lines = rendered(
            """
            {
              "listen": "127.0.0.1",
              "reverse_proxies": [
                {"name": "a b", "path": "cable", "target": "https://127.0.0.1:1", "websocket": "yes"},
                {"path": [], "target": 5, "enabled": "${FLAG}"}
              ],
              "log": {"level": "warn", "format": null},
              "log": {}
            }
            """, ["FLAG": "maybe"])
        #expect(
            lines.map { $0.split(separator: " ")[0] } == [
                "c.json:2:13:", "c.json:4:14:", "c.json:4:29:", "c.json:4:48:", "c.json:4:84:", "c.json:5:5:",
                "c.json:5:14:", "c.json:5:28:", "c.json:5:42:", "c.json:7:20:", "c.json:7:38:", "c.json:8:3:",
            ])
        #expect(
            lines[8].hasSuffix(
                #"enabled: "maybe" from ${FLAG} is neither true, 1, yes, on nor false, 0, no, off, empty"#))
        #expect(lines[11].hasSuffix("error: the key \"log\" was already given at line 7, column 3"))
    }

    // MARK: Top level

    @Test(
        "the top level is strict",
        arguments: [
            ("[]", "1:1", "expected an object, found a list"),
            ("{}", "1:1", #""listen" is missing; it says where clients connect"#),
            ("{}", "1:1", #""reverse_proxies" is missing; it lists the services"#),
            (#"{"reverse_proxies": {}}"#, "1:21", "expected a list of services, found an object"),
            (#"{"reverse_proxies": []}"#, "1:21", "the list is empty; it needs at least one service"),
            (#"{"reverse_proxies": [3]}"#, "1:22", "expected an object, found the number 3"),
            (#"{"listen": []}"#, "1:12", "the list is empty; it needs at least one item"),
            (#"{"listen": null}"#, "1:12", #"expected an address such as "127.0.0.1:3000", found null"#),
            (
                #"{"listen": "fd:"}"#, "1:12",
                #""fd:" is not the name of an inherited socket; write its FileDescriptorName"#
            ),
            (#"{"listen": "fd:a b"}"#, "1:12", #""fd:a b" is not the name of an inherited socket"#),
            (#"{"listen": ["fd:a", "fd:a"]}"#, "1:21", #""fd:a" is already listened on at listen[0] in line 1"#),
            (#"{"status": {"listen": "fd:a"}}"#, "1:23", "has no"),
            (#"{"listen": 65536}"#, "1:12", "expected a whole number from 0 to 65535, found the number 65536"),
            (#"{"listen": 30.5}"#, "1:12", "expected a whole number from 0 to 65535, found the number 30.5"),
            (#"{"Listen": 1}"#, "1:2", #"unknown key "Listen"; did you mean "listen"?"#),
            (#"{"reverseProxies": 1}"#, "1:2", #"unknown key "reverseProxies"; did you mean "reverse_proxies"?"#),
            (#"{"frobnicate": 1}"#, "1:2", #"unknown key "frobnicate""#),
            (#"{"$schema": 1}"#, "1:13", "expected a string, found the number 1"),
            (#"{"status": {}}"#, "1:12", #""listen" is missing; it says where the status page is"#),
            (#"{"status": true}"#, "1:12", "expected an object, found true"),
            (#"{"control": ":1"}"#, "1:13", #"":1" is not a Unix socket; write unix: in front of its path"#),
            (#"{"state_dir": ""}"#, "1:15", #""" is empty"#), (#"{"state_dir": 1}"#, "1:15", "expected a string"),
            (
                #"{"status": {"allowed_hosts": "http://a"}}"#, "1:30",
                #""http://a" is not a host name; write it without"#
            ),
            (#"{"status": {"allowed_hosts": ["a", ".b"]}}"#, "1:36", #"".b" is not a host name"#),
            (#"{"control": "unix:"}"#, "1:13", #""unix:" has no socket path"#),
            (#"{"status": {"listen": "x:1"}}"#, "1:23", #""x:1" has the host name "x"; addresses are numeric"#),
            (
                #"{"log": {"level": "warn"}}"#, "1:19",
                #"is not one of error, warning, info, debug; did you mean "warning"?"#
            ),
            (#"{"log": {"format": "xml"}}"#, "1:20", #""xml" is not one of auto, text, json, journal"#),
            (#"{"log": {"file": ""}}"#, "1:18", #""" is not a file name"#),
            (#"{"log": {"file": "a/"}}"#, "1:18", #""a/" is not a file name"#),
            (#"{"log": {"file": "a\nb"}}"#, "1:18", "is not a file name"),
            (#"{"log": {"file": 7}}"#, "1:18", "expected the name of a file in quotes, found the number 7"),
            (#"{"log": {"max_size": "1MiB"}}"#, "1:22", #"this is the size of a "file", and there is none"#),
            (#"{"log": {"file": "a", "max_size": "1KiB"}}"#, "1:35", "expected a size from 65536 to"),
            (#"{"log": {"file": "a", "format": "journal"}}"#, "1:33", #"a "file" is "text" or "json""#),
            (#"{"log": {"levle": "info"}}"#, "1:10", #"unknown key "levle"; did you mean "level"?"#),
            (#"{"log": "info"}"#, "1:9", #"expected an object, found the string "info""#),
        ])
    func topLevel(file: String, place: String, sentence: String) { expect(file, place, sentence) }

    @Test(
        "conflicting addresses are reported with both positions",
        arguments: [
            (#"["127.0.0.1:1","127.0.0.1:1"]"#, "127.0.0.1:1 conflicts with 127.0.0.1:1 at listen[0]"),
            (#"["127.0.0.1:1",":1"]"#, "0.0.0.0:1 conflicts with 127.0.0.1:1"),
            (#"["[::]:1","[::1]:1"]"#, "[::1]:1 conflicts with [::]:1"),
            (#"["unix:/s","unix:/s"]"#, "unix:/s conflicts with unix:/s"),
        ])
    func collisions(listen: String, sentence: String) {
        let second = listen.utf8.firstIndex(of: UInt8(ascii: ",")).map {
            listen.utf8.distance(from: listen.startIndex, to: $0)
        }
        expect("{\"listen\":\(listen)}", "1:\(12 + (second ?? 0))", sentence)
    }

    @Test("at most 64 listeners are allowed")
    func listenerLimit() {
        let many = (1...65).map(String.init).joined(separator: ",")
        expect("{\"listen\":[\(many)]}", "1:11", "the list has more than 64 items")
        #expect(!errors(in: "{\"listen\":[\(many.dropLast(3))]}").contains { $0.path == "listen" })
    }

    @Test("the status page cannot share a listener")
    func statusCollision() {
        expect(
            #"{"listen":"127.0.0.1:1","status":{"listen":"localhost:1"}}"#, "1:44",
            "127.0.0.1:1 conflicts with 127.0.0.1:1 at listen in line 1")
    }

    @Test("a status listener on a public address needs a token", arguments: ["0.0.0.0:1", "10.0.0.1:1", "[::]:1"])
    func statusForOthers(address: String) throws {
        let status = "\"status\":{\"listen\":\"\(address)\""
        let file = "{\"listen\":\"unix:/a\",\(status)"
        expect(file + "}}", "1:40", "\(address) can be reached from other machines; set a \"token\" next to it")
        #expect(!errors(in: file + ",\"token\":\"0123456789abcdef\"}}").contains { $0.path.hasPrefix("status") })
        for own in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/s"] {
            let file = "{\"status\":{\"listen\":\"\(own)\"}}"
            #expect(!errors(in: file).contains { $0.path.hasPrefix("status") }, "\(own)")
        }
    }

    @Test("an invalid token is not repeated", arguments: ["", "hunter2", "sixteen and more with spaces"])
    func statusToken(token: String) {
        let file = "{\"status\":{\"token\":\"${SECRET}\",\"listen\":\"0.0.0.0:1\"}}"
        let found = errors(in: file, ["SECRET": token]).filter { $0.path.hasPrefix("status") }
        let sentence = "invalid token; write 16 to 256 letters, digits and -._~+/=, as `openssl rand -hex 32` does"
        #expect(found.map(\.path) == ["status.token"] && found.map(\.sentence) == [sentence])
    }

    // MARK: Services

    @Test("a missing key is reported at its service")
    func missingKeys() {
        let file = Sample.file(services: ["{}"])
        expect(file, "2:1", #""name" is missing; every log line of the service begins with it"#)
        expect(file, "2:1", #""path" is missing; it says which requests are meant"#)
        expect(file, "2:1", #""target" is missing; it says where the requests go"#)
    }

    @Test(
        "each field of a service has its error",
        arguments: [
            (#""name": """#, "reverse_proxies[0].name", #""" is not a valid name; names are 1 to 64 letters"#),
            (#""name": "a b""#, "reverse_proxies[0].name", #""a b" is not a valid name"#),
            (
                #""name": "${N}""#, "reverse_proxies[0].name",
                "the environment variable N is not set; write ${N:-default}"
            ),
            (#""path": "cable""#, "reverse_proxies[0].path", #""cable" does not begin with a slash"#),
            (#""path": ["/a", "/b*"]"#, "reverse_proxies[0].path[1]", #""/b*" has a star that is not the whole last"#),
            (#""path": "/a/{x}/{x}""#, "reverse_proxies[0].path", "has the placeholder {x} twice"),
            (#""path": "/a?b""#, "reverse_proxies[0].path", "has a query or a fragment; routes compare paths only"),
            (#""path": {}"#, "reverse_proxies[0].path", #"expected a path such as "/cable", found an object"#),
            (#""target": true"#, "reverse_proxies[0].target", "expected a target such as"),
            (#""target": "https://h""#, "reverse_proxies[0].target", "uses TLS, which is not supported for backends"),
            (#""enabled": 1"#, "reverse_proxies[0].enabled", "expected true or false, or a string such as"),
            (#""enabled": "2""#, "reverse_proxies[0].enabled", #""2" is neither true, 1, yes, on nor false"#),
            (
                #""websocket": "true""#, "reverse_proxies[0].websocket",
                #"expected true or false, found the string "true""#
            ),
            (#""headers": []"#, "reverse_proxies[0].headers", "expected an object, found a list"),
            (#""headers": {"X": 1}"#, "reverse_proxies[0].headers.X", "expected a string, found the number 1"),
            (
                #""headers": {"X": "$hots"}"#, "reverse_proxies[0].headers.X",
                "unknown variable $hots; did you mean $host?"
            ),
            (#""headers": {"X": "5$"}"#, "reverse_proxies[0].headers.X", "has a dollar without a name"),
            (#""headers": {"X": "a\nb"}"#, "reverse_proxies[0].headers.X", #""a\nb" has a control character"#),
            (#""headers": {"a.b": 1}"#, "reverse_proxies[0].headers[\"a.b\"]", "expected a string, found the number 1"),
            (#""on_demand": true"#, "reverse_proxies[0].on_demand", "expected an object, found true"),
            (
                #""on_demand": {}"#, "reverse_proxies[0].on_demand",
                #""command" is missing; it names the program to start"#
            ),
        ])
    func fields(field: String, path: String, sentence: String) throws {
        let errors = errors(in: Sample.file(services: ["{\(field)}"]))
        let error = try #require(errors.first { $0.sentence.contains(sentence) }, "\(errors.map(\.sentence))")
        #expect(error.path == path)
        #expect(error.line == 2)
    }

    @Test(
        "headers that delimit or route messages cannot be set",
        arguments: [
            "Host", "host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Keep-Alive", "TE",
            "Trailer",
            "Expect", "Proxy-Connection", "Sec-WebSocket-Key", "sec-websocket-accept", "Sec-WebSocket-Protocol",
        ])
    func reservedHeaders(name: String) {
        expect(
            Sample.file(service: Sample.plain, "\"headers\":{\"\(name)\":\"x\"}"), "2:66", "\"\(name)\" cannot be set")
    }

    @Test("header names are tokens, each set once whatever its case", arguments: ["", "a b", "a:b", "\u{e9}", "a/b"])
    func headerNames(name: String) {
        expect(Sample.file(service: Sample.plain, "\"headers\":{\"\(name)\":\"x\"}"), "2:66", "is not a header name")
        expect(
            Sample.file(service: Sample.plain, #""headers":{"X-A":"1","x-a":"2"}"#), "2:76",
            #""x-a" is already set above"#)
    }

    @Test(
        "each field of on_demand has its error",
        arguments: [
            (#""command": """#, "command", #""" is empty"#),
            (#""command": ["puma"]"#, "command", "expected a string in quotes, found a list"),
            (#""command": "a\u0000b""#, "command", "has a zero byte, which no process can be given"),
            (#""args": "-p 1""#, "args", #"expected a list of strings, found the string "-p 1""#),
            (#""args": ["-p", 1]"#, "args[1]", "expected a string in quotes, found the number 1"),
            (#""args": ["\u0000"]"#, "args[0]", "has a zero byte"),
            (#""working_dir": """#, "working_dir", #""" is empty"#),
            (#""working_dir": "${EMPTY}""#, "working_dir", #""" from ${EMPTY} is empty"#),
            (#""env": {"A": 1}"#, "env.A", "expected a string in quotes, found the number 1"),
            (#""env": {"A": "1", "A": "2"}"#, "env", #"the key "A" was already given at line 2"#),
            (#""env": {"A=B": "1"}"#, "env", #""A=B" is not a variable name"#),
            (#""env": {"": "1"}"#, "env", #""" is not a variable name"#),
            (#""env": []"#, "env", "expected an object, found a list"),
            (
                #""startup_timeout": 30"#, "startup_timeout",
                "expected a duration in quotes such as \"30s\", found the number 30"
            ),
            (#""startup_timeout": "0""#, "startup_timeout", "a duration of zero has no meaning here"),
            (#""startup_timeout": "0ms""#, "startup_timeout", "a duration of zero has no meaning here"),
            (#""idle_timeout": "-1s""#, "idle_timeout", #""-1s" is not a duration"#),
            (#""idle_timeout": "15""#, "idle_timeout", #""15" has no unit; write "15s" for seconds"#),
            (#""idle_timeout": """#, "idle_timeout", #""" is not a duration; write one such as "30s""#),
            (#""stop_timeout": "1s1m""#, "stop_timeout", "must name each unit once, the longest first"),
            (#""max_queue": 0"#, "max_queue", "expected a whole number from 1 to 1000000, found the number 0"),
            (#""max_queue": 1e2"#, "max_queue", "expected a whole number from 1 to 1000000, found the number 1e2"),
            (#""max_queue": "9""#, "max_queue", #"expected a whole number, found the string "9""#),
            (#""max_queue": 99999999999999999999"#, "max_queue", "expected a whole number from 1"),
            (#""restart_backoff": "1s""#, "restart_backoff", #"expected an object, found the string "1s""#),
            (#""restart_backoff": {"min": "0"}"#, "restart_backoff.min", "a duration of zero has no meaning here"),
            (#""restart_backoff": {"max": 60}"#, "restart_backoff.max", "expected a duration in quotes"),
            (#""restart_backoff": {"min": "61s"}"#, "restart_backoff", #""min" (default 1s) is longer than "max""#),
            (#""restart_backoff": {"first": "1s"}"#, "restart_backoff", #"unknown key "first""#),
            (#""min_sleep": 5"#, "min_sleep", "expected a duration in quotes"),
            (#""wake_on": "upgrades""#, "wake_on", #""upgrades" is neither any nor upgrade; other conditions"#),
            (
                #""wake_on": 5"#, "wake_on",
                #"expected "upgrade", {"header": NAME} or {"path": PATH}, found the number 5"#
            ),
            (#""wake_on": []"#, "wake_on", "the list is empty; it needs at least one item"),
            (#""wake_on": ["upgrade", "any"]"#, "wake_on[1]", #""any" means every request, so it stands alone"#),
            (#""wake_on": {}"#, "wake_on", #"one condition is a "header" or a "path""#),
            (#""wake_on": {"header": "X", "path": "/"}"#, "wake_on", #"one condition is a "header" or a "path""#),
            (#""wake_on": {"header": "X Y"}"#, "wake_on.header", #""X Y" is not a header name"#),
            (#""wake_on": [{"path": "cable"}]"#, "wake_on[0].path", #""cable" does not begin with a slash"#),
            (#""wake_on": {"cookie": "x"}"#, "wake_on", #"unknown key "cookie""#),
            (#""wake_on": "upgrade""#, "wake_on", #"waits for upgrades, which only pass where "websocket" is true"#),
            (#""enabled": "perhaps""#, "enabled", #""perhaps" is neither true"#),
            (#""cmd": "x""#, "", #"unknown key "cmd""#),
            (#""arg": []"#, "", #"unknown key "arg"; did you mean "args"?"#),
            (#""workingDir": """#, "", #"unknown key "workingDir"; did you mean "working_dir"?"#),
            (#""stop-timeout": "1s""#, "", #"unknown key "stop-timeout"; did you mean "stop_timeout"?"#),
        ])
    func onDemand(field: String, key: String, sentence: String) throws {
        let errors = errors(in: Sample.file(service: Sample.plain, "\"on_demand\":{\(field)}"), ["EMPTY": ""])
        let error = try #require(errors.first { $0.sentence.contains(sentence) }, "\(errors.map(\.sentence))")
        #expect(error.path == "reverse_proxies[0].on_demand" + (key.isEmpty ? "" : ".\(key)"))
        #expect(error.line == 2)
    }

    // MARK: Between services

    @Test("a service name is unique")
    func repeatedName() {
        let services = [
            #"{"name":"a","path":"/a","target":"unix:/a"}"#, #"{"name":"a","path":"/b","target":"unix:/b"}"#,
        ]
        expect(Sample.file(services: services), "3:9", #""a" is already the name at reverse_proxies[0].name in line 2"#)
    }

    @Test(
        "two routes that no path distinguishes are rejected, within a service and across",
        arguments: [
            ("/x", "/x"), ("/a/{x}", "/a/{y}"), ("/{x}/*", "/{y}/*"), ("/*", "/*"), ("/r/{x}/c", "/r/{region}/c"),
        ])
    func overlaps(one: String, other: String) {
        let services = [
            #"{"name":"a","path":"\#(one)","target":"unix:/a","enabled":false}"#,
            #"{"name":"b","target":"unix:/b","path":["/other","\#(other)"]}"#,
        ]
        let sentence = "\"\(other)\" matches the same paths as \"\(one)\" at"
        expect(Sample.file(services: services), "3:49", "\(sentence) reverse_proxies[0].path in line 2")
        let alone = Sample.file(services: [#"{"name":"a","target":"unix:/a","path":["\#(one)","\#(other)"]}"#])
        expect(alone, "2:\(43 + one.utf8.count)", "\(sentence) reverse_proxies[0].path[0] in line 2")
    }

    @Test("two commands cannot listen at one address")
    func sharedTargets() {
        let services = ["a", "b"].map {
            #"{"name":"\#($0)","path":"/\#($0)","target":"http://127.0.0.1:1/\#($0)","on_demand":{"command":"x"}}"#
        }
        expect(
            Sample.file(services: services), "3:34",
            "two commands cannot listen at 127.0.0.1:1, see reverse_proxies[0].target in line 2")
    }

    @Test("a target is never the daemon itself", arguments: [":3000", "127.0.0.1:3000", "localhost:3000"])
    func loops(listen: String) {
        expect(
            """
            {"listen": "\(listen)", "reverse_proxies": [
            {"name": "a", "path": "/a", "target": "http://127.0.0.1:3000/b"}]}
            """, "2:39", "127.0.0.1:3000 is a listener of this daemon, see listen in line 1")
    }

    // MARK: Any file

    @Test(
        "broken copies of the example never trap, and every error has a position in the file",
        arguments: 0..<40 as Range<UInt64>)
    func mutations(seed: UInt64) {
        var random = Seeded(seed: seed)
        let original = Array(Sample.example.utf8)
        let pieces = [
            "\"", "{", "}", "[", "]", ",", ":", "$", "${", "\\", "\n", "0", "null", "\u{e9}", "/*", " ", "ms",
        ]
        for _ in 0..<50 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, start + Int.random(in: 0...6, using: &random))
                bytes.replaceSubrange(start..<end, with: (pieces.randomElement(using: &random) ?? "").utf8)
            }
            expectPlaces(bytes)
        }
    }

    @Test("every prefix of the example is rejected at a position inside it")
    func truncations() {
        let bytes = Array(Sample.example.utf8)
        for count in 0..<(bytes.count - 2) {
            #expect(expectPlaces(Array(bytes[..<count])) == 1)
        }
    }

    @Test("a value of another type is an error at that value, wherever it is")
    func wrongTypes() throws {
        for (index, byte) in Sample.example.utf8.enumerated() where byte == UInt8(ascii: ":") {
            for replacement in ["null", "{\"x\":[]}", "[[]]", "-1"] {
                var bytes = Array(Sample.example.utf8)
                // Colons inside strings break the syntax instead, which is equivalent.
                bytes.replaceSubrange((index + 1)..<min(index + 3, bytes.count), with: " \(replacement), \"".utf8)
                #expect(expectPlaces(bytes) > 0)
            }
        }
    }

    @discardableResult
    private func expectPlaces(_ bytes: [UInt8]) -> Int {
        do throws(ConfigurationErrors) {
            _ = try Configuration.read(bytes, environment: [:])
            return 0
        } catch {
            for finding in error.all {
                #expect(Corpus.contains(finding.position, bytes), "\(finding)")
                #expect(!finding.sentence.utf8.contains { $0 < 0x20 })
            }
            #expect(error.all.map(\.position) == error.all.map(\.position).sorted())
            return error.all.count
        }
    }
}

private func errors(in text: String, _ environment: [String: String] = [:]) -> [ConfigurationError] {
    do throws(ConfigurationErrors) {
        _ = try Configuration.read(Array(text.utf8), environment: environment)
        return []
    } catch {
        return error.all
    }
}

private func rendered(_ text: String, _ environment: [String: String] = [:]) -> [String] {
    errors(in: text, environment).map { $0.rendered(file: "c.json") }
}

/// Expects an error at `place` (`line:column`) with this text, possibly among others.
private func expect(_ text: String, _ place: String, _ sentence: String, _ location: SourceLocation = #_sourceLocation)
{
    let errors = errors(in: text)
    let found = errors.contains { "\($0.line):\($0.column)" == place && $0.sentence.contains(sentence) }
    #expect(found, "\(errors.map { $0.rendered(file: "c.json") })", sourceLocation: location)
}
