import Foundation
import Testing

@testable import OnDemand

struct EffectiveConfigurationTests {
    private typealias Setting = EffectiveConfiguration.Setting

    private func effective(
        _ file: String, environment: [String: String] = [:], envFile: String? = nil
    ) throws -> EffectiveConfiguration {
        try EffectiveConfiguration(Array(file.utf8), environment: environment) { name throws(SystemError) in
            guard let envFile else { throw SystemError(call: "open", code: .noSuchFile, subject: name) }
            return Array(envFile.utf8)
        }
    }

    private func row(_ path: String, in effective: EffectiveConfiguration) throws -> Setting {
        let rows = effective.settings.filter { $0.path == path }
        try #require(rows.count == 1, "\(path) stands \(rows.count) times")
        return rows[0]
    }

    private func file(_ top: String = "", service: String = "") -> String {
        "{\"listen\": 3000,\n\"reverse_proxies\": [{\(Sample.plain)\(service)}]\(top)}"
    }

    @Test("an explicit value has its line, and a missing one its default")
    func origins() throws {
        let effective = try effective(file(",\n\"drain_timeout\": \"3s\""))
        #expect(try row("listen", in: effective) == Setting(path: "listen", value: "3000", origin: at(1, 12)))
        #expect(
            try row("drain_timeout", in: effective)
                == Setting(path: "drain_timeout", value: "\"3s\"", origin: at(3, 18)))
        #expect(try row("close_jitter", in: effective) == Setting(path: "close_jitter", value: "\"1s\""))
        #expect(try row("log.level", in: effective) == Setting(path: "log.level", value: "\"info\""))
        #expect(try row("status", in: effective) == Setting(path: "status", value: nil))
        #expect(try row("reverse_proxies[0].on_demand", in: effective).value == nil)
    }

    @Test("an expanded variable has its source: the process, its file, or its default")
    func variables() throws {
        let top =
            ",\n\"env_file\": \"/etc/${WHICH}\", \"drain_timeout\": \"${A}\","
            + " \"close_jitter\": \"${B}\", \"control\": \"unix:${C:-/run/c}\""
        let effective = try effective(
            file(top), environment: ["WHICH": "env", "A": "1s", "B": "5s"], envFile: "B=2s\nWHICH=other")
        func variables(_ path: String) throws -> [EffectiveConfiguration.Variable] {
            guard case .file(_, let variables) = try row(path, in: effective).origin else { return [] }
            return variables
        }
        #expect(try row("env_file", in: effective).value == "\"/etc/env\"")
        #expect(try variables("env_file") == [.init(name: "WHICH", source: .environment)])
        #expect(try row("drain_timeout", in: effective).value == "\"1s\"")
        #expect(try variables("drain_timeout") == [.init(name: "A", source: .environment)])
        #expect(try row("close_jitter", in: effective).value == "\"2s\"")
        #expect(try variables("close_jitter") == [.init(name: "B", source: .file)])
        #expect(try row("control", in: effective).value == "\"unix:/run/c\"")
        #expect(try variables("control") == [.init(name: "C", source: .nowhere)])
    }

    @Test("secrets are hidden: the token, and values of env and headers from the environment")
    func secrets() throws {
        let service =
            ", \"headers\": {\"X-Key\": \"${KEY}\", \"X-Own\": \"$remote_addr\"}, \"on_demand\": {"
            + "\"command\": \"c\", \"env\": {\"KEY\": \"k-${KEY}\", \"FILED\": \"${FILED}\", \"RAILS_ENV\": \"test\"}}"
        let top = ", \"env_file\": \"e\", \"status\": {\"listen\": 9292, \"token\": \"0123456789abcdef\"}"
        let effective = try effective(file(top, service: service), environment: ["KEY": "hush"], envFile: "FILED=still")
        let env = "reverse_proxies[0].on_demand.env"
        for path in ["\(env).KEY", "\(env).FILED", "reverse_proxies[0].headers.X-Key", "status.token"] {
            #expect(try row(path, in: effective).value == "\"***\"", "\(path)")
        }
        #expect(try row("\(env).RAILS_ENV", in: effective).value == "\"test\"")
        #expect(try row("reverse_proxies[0].headers.X-Own", in: effective).value == "\"$remote_addr\"")
        for text in [effective.text(file: "c.json"), effective.json(file: "c.json")] {
            for secret in ["hush", "still", "0123456789abcdef"] { #expect(!text.contains(secret), "\(secret)") }
        }
    }

    @Test("secrets of cables are hidden, and of a URL its password")
    func cableSecrets() throws {
        let members =
            #""jwt": {"secret": "hush-1"}, "streams": {"secret": "hush-2", "rails_secret_key_base": "${KEY}"}, "#
            + #""broadcast": {"path": "/b", "key": "hush-4hush-4hush"}, "redis": {"url": "redis://me:hush%405@[::1]/1"}"#
        let effective = try effective(CableKeyTests.file(members), environment: ["KEY": "hush-3"])
        let cable = "cables[0]"
        for path in ["jwt.secret", "streams.secret", "streams.rails_secret_key_base", "broadcast.key"] {
            #expect(try row("\(cable).\(path)", in: effective).value == "\"***\"", "\(path)")
        }
        #expect(try row("\(cable).redis.url", in: effective).value == "\"redis://me:***@[::1]/1\"")
        for text in [effective.text(file: "c.json"), effective.json(file: "c.json")] { #expect(!text.contains("hush")) }
        #expect(try row("\(cable).broadcast.max_body_bytes", in: effective).value == "\"1MiB\"")
        #expect(try row("\(cable).allowed_origins", in: effective).value == "\"same_origin\"")
        #expect(try row("\(cable).limits.max_subscriptions", in: effective).value == "100")
        #expect(try row("reverse_proxies", in: effective).value == "[]")
    }

    @Test("the keys of a backend are printed where there is one, and protocols with the default that counts")
    func cableBackend() throws {
        func settings(_ members: String, _ environment: [String: String] = [:]) throws -> EffectiveConfiguration {
            try effective(HibernationKeyTests.file(members), environment: environment)
        }
        let cable = "cables[0]"
        let action = try settings(
            #""backend": "puma", "hibernate": {"channels": [{"name": "A", "actions": "${A}", "streams": ["a"]}]}"#,
            ["A": "stateless"])
        #expect(
            try row("\(cable).backend", in: action)
                == Setting(path: "\(cable).backend", value: "\"puma\"", origin: at(2, 37)))
        #expect(try row("\(cable).connect", in: action) == Setting(path: "\(cable).connect", value: "\"backend\""))
        #expect(try row("\(cable).protocols", in: action).value == "[\"action_cable\"]")
        #expect(try row("\(cable).hibernate.max_age", in: action).value == "\"12h\"")
        #expect(try row("\(cable).hibernate.notice", in: action).value == "false")
        let channel = "\(cable).hibernate.channels[0]"
        #expect(try row("\(channel).name", in: action).value == "\"A\"")
        #expect(try row("\(channel).actions", in: action).value == "\"stateless\"")
        #expect(try row("\(channel).streams", in: action).value == "[\"a\"]")
        #expect(try row("reverse_proxies[0].path", in: action).value == nil)
        let local = try settings(#""backend": "puma", "connect": "${C}""#, ["C": "local"])
        let both = "[\"action_cable\", \"turbo_cable\"]"
        #expect(try row("\(cable).protocols", in: local).value == both)
        #expect(try row("\(cable).hibernate", in: local).value == nil)
        let none = try effective(CableKeyTests.file(""))
        #expect(try row("\(cable).protocols", in: none).value == both)
        #expect(try row("\(cable).backend", in: none).value == nil)
        let paths = none.settings.map(\.path)
        #expect(!paths.contains("\(cable).connect") && !paths.contains("\(cable).hibernate"))
    }

    @Test("a service's limits are its own, else those at the top with their position, else the defaults")
    func limits() throws {
        let top = ",\n\"limits\": {\"body_timeout\": \"7s\", \"send_timeout\": \"8s\", \"max_connections\": 9}"
        let effective = try effective(file(top, service: ", \"limits\": {\"send_timeout\": \"1s\"}"))
        let limits = "reverse_proxies[0].limits"
        #expect(try row("\(limits).send_timeout", in: effective).value == "\"1s\"")
        let shared = try row("\(limits).body_timeout", in: effective)
        #expect(shared.value == "\"7s\"" && shared.origin == at(3, 28))
        #expect(try row("\(limits).response_timeout", in: effective).origin == .standard)
        #expect(try row("\(limits).max_connections", in: effective).value == "\"off\"", "at the top it is a listener's")
    }

    @Test("lists of objects are printed one by one, other lists as they are, and meaningless keys not at all")
    func shapes() throws {
        let onDemand =
            ", \"websocket\": true, \"on_demand\": {\"command\": \"c\", \"args\": [\"a\", \"b c\"], \"stop\": [\"INT\", \"5s\", \"KILL\"],"
            + " \"readiness\": {\"kind\": \"http\"}, \"wake_on\": [\"upgrade\", {\"path\": \"/login\"}]}"
        let top =
            ", \"managed_processes\": [{\"name\": \"p\", \"command\": \"c\"},"
            + " {\"name\": \"q\", \"command\": \"c\", \"start\": \"when_required\"}]"
        let required = onDemand.dropLast() + ", \"requires\": [\"q\"]}"
        let effective = try effective(file(top, service: String(required)))
        let service = "reverse_proxies[0].on_demand"
        #expect(try row("\(service).args", in: effective).value == #"["a", "b c"]"#)
        #expect(try row("\(service).readiness.kind", in: effective).value == "\"http\"")
        #expect(try row("\(service).readiness.status", in: effective).value == "\"any\"")
        #expect(try row("\(service).wake_on[0]", in: effective).value == "\"upgrade\"")
        #expect(try row("\(service).wake_on[1].path", in: effective).value == "\"/login\"")
        #expect(try row("\(service).restart_backoff.max", in: effective).value == "\"60s\"")
        let paths = effective.settings.map(\.path)
        #expect(!paths.contains("\(service).stop_timeout"), "the plan says it")
        #expect(!paths.contains("\(service).wake_on[1].header"))
        #expect(!paths.contains("managed_processes[0].idle_timeout"), "it stays")
        #expect(paths.contains("managed_processes[1].idle_timeout") && !paths.contains("$schema"))
        #expect(Set(paths).count == paths.count)
    }

    @Test("every default of the table is printed for an empty object, under its own path")
    func complete() throws {
        let effective = try effective(file(service: ", \"on_demand\": {\"command\": \"c\"}"))
        for key in ConfigurationObject.onDemand.keys where key.name != "command" && key.name != "restart_backoff" {
            let setting = try row("reverse_proxies[0].on_demand.\(key.name)", in: effective)
            #expect(setting.value == key.standard && setting.origin == .standard)
        }
    }

    @Test("the text output has a line per value, in columns; the other one is JSON")
    func rendering() throws {
        let effective = try effective(file(",\n\"control\": \"unix:${DIR:-/run}/c\""))
        let lines = effective.text(file: "c.json").split(separator: "\n")
        #expect(lines.count == effective.settings.count)
        #expect(lines[0].hasPrefix("listen  ") && lines[0].hasSuffix("  c.json:1"))
        #expect(lines.contains { $0.hasPrefix("control ") && $0.hasSuffix("  c.json:3, DIR is not set") })
        #expect(lines.contains { $0.contains("  not set ") && $0.hasSuffix("  default") })
        let data = Data(effective.json(file: "c.json").utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let settings = try #require(object["settings"] as? [[String: Any]])
        #expect(settings.count == effective.settings.count && object["file"] as? String == "c.json")
        let control = try #require(settings.first { $0["path"] as? String == "control" })
        #expect(control["source"] as? String == "file" && control["line"] as? Int == 3)
        #expect((control["variables"] as? [[String: String]]) == [["name": "DIR", "from": "unset"]])
    }

    @Test("an invalid file has the errors of check")
    func wrong() { #expect(throws: ConfigurationErrors.self) { try effective("{}") } }

    private func at(_ line: Int, _ column: Int) -> EffectiveConfiguration.Origin {
        .file(TextPosition(line: line, column: column), [])
    }
}
