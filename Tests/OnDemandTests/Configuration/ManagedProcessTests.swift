import Testing

@testable import OnDemand

/// Managed processes and requirements: the values, and the errors.
struct ManagedProcessTests {
    private static let process = #""name":"redis","command":"redis-server""#

    /// Returns a file with one process or service per line, the processes from the second line on.
    private func file(_ processes: [String], _ services: [String] = ["{\(Sample.plain)}"]) -> String {
        """
        {"listen": "127.0.0.1:3000", "managed_processes": [
        \(processes.joined(separator: ",\n"))
        ], "reverse_proxies": [
        \(services.joined(separator: ",\n"))
        ]}
        """
    }

    private func service(_ name: String, requires: String, _ more: String = "") -> String {
        #"{"name":"\#(name)","path":"/\#(name)","target":"unix:/\#(name)","# + more
            + #""on_demand":{"command":"x","requires":\#(requires)}}"#
    }

    private func process(_ name: String, requires: String = "[]", _ more: String = "") -> String {
        #"{"name":"\#(name)","command":"x","requires":\#(requires)\#(more)}"#
    }

    private func read(_ text: String, _ environment: [String: String] = [:]) throws -> Configuration {
        try Configuration.read(Array(text.utf8), environment: environment)
    }

    private func errors(in text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try Configuration.read(Array(text.utf8), environment: [:])
            return []
        } catch {
            return error.all.map { $0.rendered(file: "c.json") }
        }
    }

    private func expect(_ text: String, _ error: String, _ location: SourceLocation = #_sourceLocation) {
        #expect(errors(in: text) == [error], sourceLocation: location)
    }

    // MARK: Valid files

    @Test("every key of a process reaches its value")
    func everyKey() throws {
        let text = """
            {\(Self.process), "enabled": "yes", "args": ["--port", "6379"], "working_dir": "/srv", "env": {"A": "1"},
             "address": "localhost:6379", "start_delay": "2s", "auto_restart": "off", "stop": ["INT", "3s"],
             "restart_backoff": {"min": "2s", "max": "5s"}, "startup_timeout": "7s"}
            """
        let expected = Configuration.Process(
            name: "redis", enabled: true,
            launch: LaunchCommand(
                command: "redis-server", arguments: ["--port", "6379"], workingDirectory: "/srv",
                environment: [.init(name: "A", value: "1")]),
            address: .ipv4(octets: [127, 0, 0, 1], port: 6379), startDelay: .seconds(2),
            policy: BackendPolicy(
                startupTimeout: .seconds(7),
                stopPlan: StopPlan(steps: [.init(signal: .interrupt, timeout: .seconds(3))]), alwaysOn: true,
                restarts: false, backoff: RestartBackoff(first: .seconds(2), longest: .seconds(5))))
        #expect(try read(file([text])).processes == [expected])
    }

    @Test("a missing key has the default of its type")
    func defaults() throws {
        let expected = Configuration.Process(name: "redis", launch: LaunchCommand(command: "redis-server"))
        #expect(try read(file(["{\(Self.process)}"])).processes == [expected])
        #expect(try read(Sample.file(service: Sample.plain)).processes == [])
    }

    @Test("a process has the readiness of a service, or notify without an address")
    func readiness() throws {
        let asked = #"{\#(Self.process),"address":"unix:/run/redis","readiness":{"kind":"http","path":"/up"}}"#
        let says = process("worker", #","readiness":"notify","startup_timeout":"9s""#)
        let policies = try read(file([asked, says])).processes.map(\.policy)
        #expect(policies.map(\.readiness) == [.http(path: "/up", status: .any), .notify])
        #expect(policies[1].startupTimeout == .seconds(9))
    }

    @Test("a process that starts when it is required idles out, and a service and a process may require it")
    func whenRequired() throws {
        let redis = #"{\#(Self.process),"start":"when_required","idle_timeout":"3s","address":"unix:/run/redis"}"#
        let configuration = try read(
            file([redis, process("worker", requires: #"["redis"]"#)], [service("a", requires: #"["redis"]"#)]))
        let policy = try #require(configuration.processes.first).policy
        #expect(!policy.alwaysOn && policy.idleTimeout == .seconds(3))
        #expect(configuration.processes[1].policy.requires == ["redis"])
        #expect(configuration.services[0].policy.requires == ["redis"])
    }

    @Test("one variable decides whether a process runs and whether it is required")
    func oneVariable() throws {
        let redis = #"{\#(Self.process),"enabled":"${FLY_APP_NAME:+true}"}"#
        let text = file([redis], [service("a", requires: #"["${FLY_APP_NAME:+redis}"]"#)])
        let there = try read(text, ["FLY_APP_NAME": "showcase"])
        #expect(there.processes[0].enabled && there.services[0].policy.requires == ["redis"])
        let elsewhere = try read(text)
        #expect(!elsewhere.processes[0].enabled && elsewhere.services[0].policy.requires == [])
    }

    @Test("a disabled service may require a disabled process")
    func bothDisabled() throws {
        let off = process("redis", #","enabled":false"#)
        _ = try read(file([off], [service("a", requires: #"["redis"]"#, #""enabled":false,"#)]))
    }

    // MARK: Invalid files

    @Test("a missing key is reported at its process")
    func missingKeys() {
        #expect(
            errors(in: file(["{}"])) == [
                #"c.json:2:1: error: managed_processes[0]: "name" is missing; "#
                    + "every log line of the process begins with it",
                #"c.json:2:1: error: managed_processes[0]: "command" is missing; it names the program to start"#,
            ])
    }

    @Test("at most 256 processes are allowed")
    func limit() {
        let many = (0...256).map { process("p\($0)") }
        expect(file(many), "c.json:1:51: error: managed_processes: the list has more than 256 items")
    }

    @Test(
        "a meaningless key names the key that it needs",
        arguments: [
            (#""idle_timeout":"1m""#, "idle_timeout: a process that starts with the daemon never idles out"),
            (#""startup_timeout":"1m""#, #"startup_timeout: without an "address" it is ready as soon as it runs"#),
            (#""readiness":"socket""#, #"readiness: without an "address" only "notify" can show that it is ready"#),
            (
                #""readiness":{"kind":"http"}"#,
                #"readiness: without an "address" only "notify" can show that it is ready"#
            ),
            (
                #""readiness":"notify","env":{"NOTIFY_SOCKET":"x"}"#,
                #"env: "NOTIFY_SOCKET" is set by the daemon itself, because of "readiness""#
            ),
            (#""start":"later""#, #"start: "later" is not one of with_daemon, when_required"#),
            (#""start_delay":"0","start":"when_required""#, "start_delay: this is not allowed with"),
            (
                #""start":"when_required""#,
                #"name: no service or process requires "redis", so it would never be started"#
            ),
            (#""address":"127.0.0.1:0""#, #"address: "127.0.0.1:0" has the port 0, which is not a valid destination"#),
            (#""address":"6379""#, #"address: "6379" is not an address to connect to"#),
            (#""address":6379"#, #"address: expected an address such as "127.0.0.1:6379", found the number 6379"#),
            (
                #""address":"127.0.0.1:3000""#,
                "address: 127.0.0.1:3000 is a listener of this daemon, see listen in line 1"
            ),
            (#""path":"/redis""#, #"unknown key "path""#),
            (#""restart_backoff":{"min":"2m"}"#, #"restart_backoff: "min" (default 1s) is longer than "max""#),
        ])
    func meaningless(key: String, sentence: String) {
        let found = errors(in: file(["{\(Self.process),\(key)}"]))
        #expect(found.contains { $0.contains("managed_processes[0].\(sentence)") || $0.contains(sentence) }, "\(found)")
    }

    @Test("names and addresses are unique among services and processes together")
    func shared() {
        let same = #"{"name":"redis","path":"/a","target":"http://127.0.0.1:1","on_demand":{"command":"x"}}"#
        #expect(
            errors(in: file([#"{\#(Self.process),"address":"127.0.0.1:1"}"#], [same])) == [
                #"c.json:2:9: error: managed_processes[0].name: "redis" is already the name at reverse_proxies[0].name"#
                    + " in line 4",
                "c.json:2:52: error: managed_processes[0].address: two commands cannot listen at 127.0.0.1:1, see"
                    + " reverse_proxies[0].target in line 4",
            ])
    }

    @Test("a requirement must exist, be managed, be another one, be enabled, and be named once")
    func requirements() {
        let requires = "c.json:4:83: error: reverse_proxies[0].on_demand.requires[0]: "
        let redis = process("redis")
        let both = { (name: String) in service("a", requires: "[\"\(name)\"]") }
        expect(
            file([redis], [both("reddis")]),
            requires + #""reddis" is not the name of a process or service; did you mean "redis"?"#)
        expect(file([redis], [both("a")]), requires + #""a" cannot require itself"#)
        expect(
            file([redis], [both("b"), #"{"name":"b","path":"/b","target":"unix:/b"}"#]),
            requires + #""b" has no command and cannot be started; remove it here"#)
        expect(
            file([process("redis", #","enabled":false"#)], [both("redis")]),
            requires + #""redis" is not enabled, and "a" cannot start without it"#)
        expect(
            file([redis], [service("a", requires: #"["redis","redis"]"#)]),
            "c.json:4:91: error: reverse_proxies[0].on_demand.requires[1]: "
                + #""redis" is required already, see reverse_proxies[0].on_demand.requires[0] in line 4"#)
    }

    @Test("a cycle is reported from name to name, and each cycle once")
    func circles() {
        let services = [service("a", requires: #"["b"]"#), service("b", requires: #"["c"]"#)]
        #expect(
            errors(
                in: file(
                    [
                        process("c", requires: #"["a"]"#), process("d", requires: #"["e"]"#),
                        process("e", requires: #"["d"]"#),
                    ], services)) == [
                    "c.json:3:39: error: managed_processes[1].requires[0]: circular requirement: d -> e -> d",
                    "c.json:6:83: error: reverse_proxies[0].on_demand.requires[0]: circular requirement:"
                        + " a -> b -> c -> a",
                ])
    }
}
