import Testing

@testable import OnDemand

struct ConfigurationTests {
    @Test("the example is read into values")
    func example() throws {
        let environment = ["ENABLE_ACTION_CABLE": "Yes", "RAILS_ROOT": "/srv/app"]
        let configuration = try Configuration.read(Array(Sample.example.utf8), environment: environment)
        #expect(configuration.listen == [.ipv4(octets: [127, 0, 0, 1], port: 3000)])
        #expect(configuration.status == nil)
        #expect(configuration.log == Configuration.Log(level: .info, format: .text))
        let service = try #require(configuration.services.first)
        #expect(configuration.services.count == 1)
        #expect(service.name == "action-cable" && service.enabled && service.websocket)
        #expect(service.paths.map(\.text) == ["/cable", "/showcase/cable", "/showcase/regions/{region}/cable"])
        #expect(service.target.address == .ipv4(octets: [127, 0, 0, 1], port: 28080))
        #expect(service.target.authority == "127.0.0.1:28080" && service.target.path == "/cable")
        #expect(service.headers.map(\.name) == ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"])
        #expect(service.headers.map(\.parts) == [[.remoteAddress], [.scheme], [.host]])
        let launch = LaunchCommand(
            command: "puma", arguments: ["-p", "28080", "cable/config.ru"], workingDirectory: "/srv/app",
            environment: [
                LaunchCommand.Variable(name: "RAILS_ENV", value: "production"),
                LaunchCommand.Variable(name: "RAILS_APP_DB", value: "action-cable"),
            ])
        #expect(service.launch == launch)
        #expect(service.policy == BackendPolicy())
    }

    @Test("a missing key has the default of its type")
    func defaults() throws {
        let service = try #require(try read(Sample.file(service: Sample.plain)).services.first)
        #expect(service.enabled && !service.websocket)
        #expect(service.headers.isEmpty && service.launch == nil)
        #expect(service.target.path == nil)
        let launched = try #require(
            try read(Sample.file(service: Sample.plain, #""on_demand":{"command":"x"}"#)).services.first)
        #expect(launched.policy == BackendPolicy())
        #expect(launched.launch == LaunchCommand(command: "x"))
    }

    @Test("every number of on_demand reaches the policy")
    func policy() throws {
        let onDemand = """
            "on_demand": {"command": "x", "startup_timeout": "5s", "idle_timeout": "90s", "stop_timeout": "0",
              "max_queue": 3, "restart_backoff": {"min": "250ms", "max": "1m"}}
            """
        let policy = try #require(try read(Sample.file(service: Sample.plain, onDemand)).services.first).policy
        #expect(policy.startupTimeout == .seconds(5))
        #expect(policy.idleTimeout == .seconds(90))
        #expect(policy.stopPlan == .politely(for: .zero))
        #expect(policy.maximumQueue == 3)
        #expect(policy.backoff == RestartBackoff(first: .milliseconds(250), longest: .seconds(60)))
        #expect(!policy.alwaysOn)
    }

    @Test("a reload applies to a running process at its next start, unless configured otherwise")
    func onReload() throws {
        let words = [
            ("", Configuration.OnReload.nextStart), (#","on_reload":"next_start""#, .nextStart),
            (#","on_reload":"restart""#, .restart),
        ]
        for (text, expected) in words {
            let file = Sample.file(service: Sample.plain, #""on_demand":{"command":"x"\#(text)}"#)
            #expect(try read(file).services.first?.onReload == expected)
        }
    }

    @Test("wake_on is a word, a condition or a list of conditions; min_sleep is a duration")
    func waking() throws {
        let cable = WakeRule.Condition.path(try PathPattern(parsing: "/cable"))
        let rules: [(String, WakeRule)] = [
            ("\"any\"", .any), ("\"${ANY}\"", .any), ("\"upgrade\"", WakeRule(conditions: [.upgrade])),
            (#"{"header": "X-Wake"}"#, WakeRule(conditions: [.header("X-Wake")])),
            (
                #"["upgrade", {"header": "Host"}, {"path": "/cable"}]"#,
                WakeRule(conditions: [.upgrade, .header("Host"), cable])
            ),
        ]
        for (text, rule) in rules {
            let onDemand = #""websocket":true,"on_demand":{"command":"x","min_sleep":"90s","wake_on":\#(text)}"#
            let file = Sample.file(service: Sample.plain, onDemand)
            let service = try #require(try read(file, ["ANY": "any"]).services.first)
            #expect(service.wakeOn == rule)
            #expect(service.policy.minimumSleep == .seconds(90))
        }
    }

    @Test("an idle_timeout of zero means never", arguments: ["0", "0s"])
    func neverIdle(text: String) throws {
        let onDemand = #""on_demand":{"command":"x","idle_timeout":"\#(text)"}"#
        #expect(try read(Sample.file(service: Sample.plain, onDemand)).services.first?.policy.idleTimeout == nil)
    }

    @Test("a disabled on_demand means always on")
    func alwaysOn() throws {
        let onDemand = #""on_demand":{"enabled":"off","command":"x"}"#
        let service = try #require(try read(Sample.file(service: Sample.plain, onDemand)).services.first)
        #expect(service.policy.alwaysOn && service.enabled && service.launch != nil)
    }

    @Test(
        "enabled accepts booleans and the usual spellings in any case",
        arguments: [
            ("true", true), ("false", false), ("\"true\"", true), ("\"1\"", true), ("\"YES\"", true), ("\"On\"", true),
            ("\"False\"", false), ("\"0\"", false), ("\"no\"", false), ("\"OFF\"", false), ("\"\"", false),
            ("\"${UNSET:-}\"", false), ("\"${UNSET:-yes}\"", true), ("\"${ON}\"", true), ("\"${EMPTY}\"", false),
        ])
    func flags(json: String, expected: Bool) throws {
        let file = Sample.file(service: Sample.plain, "\"enabled\":\(json)")
        let configuration = try read(file, ["ON": "on", "EMPTY": ""])
        #expect(configuration.services.first?.enabled == expected)
    }

    @Test("a disabled service keeps its position in the routes")
    func routes() throws {
        let services = [
            #"{"name":"a","path":"/a","target":"http://127.0.0.1:1","enabled":false}"#,
            #"{"name":"b","path":["/b","/b/*"],"target":"http://127.0.0.1:2"}"#,
        ]
        let table = RouteTable(try read(Sample.file(services: services)).routes(to: [0, 1].map(BackendID.init)))
        let find = { (path: String) in table.find(Array(path.utf8).span)?.destination }
        #expect(find("/a") == .disabled(BackendID(index: 0)))
        #expect(find("/b/x") == .backend(BackendID(index: 1)))
        #expect(find("/c") == nil)
    }

    @Test("a disabled service with a command has a state machine and accepts commands")
    func disabledWithCommand() throws {
        let service =
            #"{"name":"a","path":"/a","target":"http://127.0.0.1:1","enabled":false,"on_demand":{"command":"x"}}"#
        let table = RouteTable(try read(Sample.file(services: [service])).routes(to: [0, 1].map(BackendID.init)))
        #expect(table.find(Array("/a".utf8).span)?.destination == .backend(BackendID(index: 0)))
    }

    @Test("the control socket is a Unix socket, and off by default")
    func control() throws {
        let file = { (line: String) in "{\"listen\": 80, \(line) \"reverse_proxies\": [{\(Sample.plain)}]}" }
        #expect(try read(file("")).control == nil)
        #expect(try read(file("\"control\": \"unix:/run/x.sock\",")).control == .unix(path: "/run/x.sock"))
    }

    @Test("the history has a directory, and is off by default")
    func stateDirectory() throws {
        let file = { (line: String) in "{\"listen\": 80, \(line) \"reverse_proxies\": [{\(Sample.plain)}]}" }
        #expect(try read(file("")).stateDirectory == nil)
        #expect(try read(file("\"state_dir\": \"/var/lib/x\",")).stateDirectory == "/var/lib/x")
    }

    @Test("allowed_hosts of the status listener are compared without case")
    func allowedHosts() throws {
        let file = { (names: String) in
            """
            {"listen": 80, "status": {"listen": "127.0.0.1:9", "allowed_hosts": \(names)}, "reverse_proxies": [{\(Sample.plain)}]}
            """
        }
        #expect(try read(file("\"Status.Example.com\"")).status?.names == ["status.example.com"])
        #expect(try read(file("[\"a\", \"b.c\"]")).status?.names == ["a", "b.c"])
    }

    @Test("several listeners, a status page and the log are read")
    func surroundings() throws {
        let configuration = try read(
            """
            {"$schema": "https://example.org/ondemandd.json",
             "listen": ["localhost:3000", "[::1]:3000", "unix:run/od.sock", 0, 0],
             "status": {"listen": "127.0.0.1:9292", "token": "${SECRET:-0123456789abcdef}"},
             "log": {"level": "debug", "format": "json"},
             "reverse_proxies": [{\(Sample.plain)}]}
            """)
        #expect(
            configuration.listen.map(\.description)
                == ["127.0.0.1:3000", "[::1]:3000", "unix:run/od.sock", "0.0.0.0:0", "0.0.0.0:0"])
        #expect(configuration.status?.listen.description == "127.0.0.1:9292")
        #expect(configuration.status?.token == BearerToken("0123456789abcdef"))
        #expect(configuration.log == Configuration.Log(level: .debug, format: .json))
    }

    @Test("a log may have a file, from the environment, too, and a size limit")
    func logFile() throws {
        let services = "\"reverse_proxies\": [{\(Sample.plain)}]"
        let file = "{\"listen\": 3000, \"log\": {\"file\": \"${DIR}/x.log\", \"max_size\": \"1MiB\"}, \(services)}"
        let log = try Configuration.read(Array(file.utf8), environment: ["DIR": "/var/log"]).log
        #expect(log == Configuration.Log(file: "/var/log/x.log", maximumBytes: 1 << 20))
        #expect(Configuration.Log().format == .auto && Configuration.Log().maximumBytes == 16 << 20)
    }

    @Test("fd:NAME refers to inherited sockets, alone or beside addresses")
    func inherited() throws {
        let services = "\"reverse_proxies\": [{\(Sample.plain)}]"
        let mixed = try read("{\"listen\": [\"fd:web\", 3000, \"fd:w-2\"], \(services)}")
        #expect(mixed.inherited == ["web", "w-2"] && mixed.listen.count == 1)
        let alone = try read("{\"listen\": \"fd:web\", \(services)}")
        #expect(alone.inherited == ["web"] && alone.listen.isEmpty)
    }

    @Test("the environment is expanded in any string, and never in keys")
    func environment() throws {
        let service = """
            "name": "${NAME}", "path": ["/${NAME}", "/${NAME}/{x}"], "target": "http://127.0.0.1:${PORT:-80}${NONE:-/p}",
            "headers": {"X-A": "${DOLLARS} $$ $host ${UNSET:-$scheme} $${x}"},
            "on_demand": {"command": "${NAME}d", "args": ["-p", "${PORT}"], "env": {"${NAME}": "$${NAME} $HOME"}}
            """
        let environment = ["NAME": "cable", "PORT": "81", "DOLLARS": "a$host$"]
        let read = try #require(try read(Sample.file(service: service), environment).services.first)
        #expect(read.name == "cable" && read.paths.map(\.text) == ["/cable", "/cable/{x}"])
        #expect(read.target.address.port == 81 && read.target.path == "/p")
        // A dollar from the environment is text, one from the file begins a variable.
        let value = read.headers.first?.value(remoteAddress: "::1", scheme: "http", host: "me")
        #expect(value == "a$host$ $ me http ${x}")
        #expect(read.launch?.command == "cabled" && read.launch?.arguments == ["-p", "81"])
        #expect(read.launch?.environment == [LaunchCommand.Variable(name: "${NAME}", value: "${NAME} $HOME")])
    }

    @Test("two services may share an address while one of them is disabled")
    func alternatives() throws {
        let services = [
            #"{"name":"a","path":"/a","target":"http://127.0.0.1:1","on_demand":{"command":"x"}}"#,
            #"{"name":"b","path":"/b","target":"http://127.0.0.1:1","on_demand":{"command":"y"},"enabled":false}"#,
            #"{"name":"c","path":"/c","target":"http://127.0.0.1:1/other"}"#,
        ]
        #expect(try read(Sample.file(services: services)).services.count == 3)
    }

    @Test("a target on another machine may have the port of a listener")
    func samePortElsewhere() throws {
        let file = #"{"listen":":3000","reverse_proxies":[{"name":"a","path":"/","target":"http://10.0.0.5:3000"}]}"#
        #expect(try read(file).services.count == 1)
    }
}

private func read(_ text: String, _ environment: [String: String] = [:]) throws -> Configuration {
    try Configuration.read(Array(text.utf8), environment: environment)
}
