import Foundation
import Testing

@testable import OnDemand

struct ConfigurationKeysTests {
    /// The smallest configuration with or without this key; nil if there is none.
    private static func file(_ object: ConfigurationObject, _ key: String, _ member: String) -> String? {
        let more = member.isEmpty ? "" : ", \(member)"
        let command = "\"command\": \"x\""
        func file(service: String = "", top: String = "") -> String {
            "{\"listen\": \"127.0.0.1:3000\", \"reverse_proxies\": [{\(Sample.plain)\(service)}]\(top)}"
        }
        func file(cable: String) -> String {
            file(top: ", \"cables\": [{\"name\": \"c\", \"path\": \"/c\"\(cable)}]")
        }
        func file(backed cable: String) -> String {
            let cables = ", \"cables\": [{\"name\": \"c\", \"path\": \"/c\", \"backend\": \"a\"\(cable)}]"
            return file(service: ", \"websocket\": true, \"on_demand\": {\(command)}", top: cables)
        }
        switch object {
        // A cable stands for the service that is left out.
        case .configuration where key == "reverse_proxies":
            return "{\"listen\": \"127.0.0.1:3000\", \"cables\": [{\"name\": \"c\", \"path\": \"/c\"}]\(more)}"
        case .configuration: return file(top: more)
        case .service: return file(service: more)
        case .onDemand: return file(service: ", \"on_demand\": {\(command)\(more)}")
        case .restartBackoff: return file(service: ", \"on_demand\": {\(command), \"restart_backoff\": {\(member)}}")
        case .limits: return file(top: ", \"limits\": {\(member)}")
        case .serviceLimits: return file(service: ", \"limits\": {\(member)}")
        case .log:
            // A size without a file is an error.
            let members = [key == "max_size" ? "\"file\": \"x\"" : "", member].filter { !$0.isEmpty }
            return file(top: ", \"log\": {\(members.joined(separator: ", "))}")
        case .process:
            // A process that starts with the daemon stays, and one without an address cannot be required.
            guard key != "idle_timeout" else { return nil }
            let address = key == "startup_timeout" ? ", \"address\": \"127.0.0.1:2\"" : ""
            return file(top: ", \"managed_processes\": [{\"name\": \"p\", \(command)\(address)\(more)}]")
        case .readiness:
            return file(service: ", \"on_demand\": {\(command), \"readiness\": {\"kind\": \"http\"\(more)}}")
        // The default of a cable with a backend; without one the key is an error.
        case .cable where key == "connect": return file(backed: more)
        case .cable: return file(cable: more)
        case .cableTokens: return file(cable: ", \"jwt\": {\"secret\": \"x\"\(more)}")
        case .cableStreams: return file(cable: ", \"streams\": {\(member)}")
        case .cableBroadcast: return file(cable: ", \"broadcast\": {\"path\": \"/b\"\(more)}")
        case .cableRedis: return file(cable: ", \"redis\": {\"url\": \"redis://127.0.0.1\"\(more)}")
        case .cableLimits: return file(cable: ", \"limits\": {\(member)}")
        case .cableHibernation: return file(backed: ", \"hibernate\": {\(member)}")
        case .replayableChannel:
            return file(backed: ", \"hibernate\": {\"channels\": [{\"name\": \"A\"\(more)}]}")
        case .command:
            let required = "\"name\": \"r\", \"path\": \"/r\", \"cable\": \"c\", \"key\": \"0123456789abcdef\""
            let entry = "{\(required), \"stream\": \"r-{id}\", \(command)\(more)}"
            return file(
                top: ", \"cables\": [{\"name\": \"c\", \"path\": \"/c\"}], \"commands\": [\(entry)]")
        case .listener, .status, .wakeCondition: return nil
        }
    }

    @Test("an explicit default changes nothing", arguments: ConfigurationObject.allCases)
    func defaults(object: ConfigurationObject) throws {
        for key in object.keys {
            guard let standard = key.standard, let without = Self.file(object, key.name, ""),
                let with = Self.file(object, key.name, "\"\(key.name)\": \(standard)")
            else { continue }
            #expect(try read(with) == read(without), "\(object.rawValue).\(key.name)")
        }
    }

    @Test("no object has a key twice")
    func unique() {
        for object in ConfigurationObject.allCases { #expect(Set(object.keyNames).count == object.keys.count) }
    }

    @Test("the decoder reads the keys of the table, and no others")
    func decoder() throws {
        let folder = Corpus.repository.appending(path: "Sources/OnDemand/Configuration")
        let source = try FileManager.default.contentsOfDirectory(atPath: folder.path())
            .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }.joined()
        let asked = Set(source.matches(of: /fields\["([^"]+)"\]|required\("([^"]+)", in/).compactMap { $0.1 ?? $0.2 })
        let known = Set(ConfigurationObject.allCases.flatMap(\.keyNames).map { Substring($0) })
        // It is read first, because the rest of the file depends on it.
        #expect(known.subtracting(asked).subtracting(["env_file"]) == [])
        #expect(asked.subtracting(known) == [])
    }

    @Test("the tables of the documentation have the defaults of the table of keys")
    func documentation() throws {
        let file = Corpus.repository.appending(path: "docs/CONFIGURATION.md")
        let sections = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n### ")
        let objects: [(String, ConfigurationObject)] = [
            ("At the top", .configuration), ("A service in", .service), ("`on_demand`", .onDemand),
            ("Managed processes", .process), ("Commands", .command), ("`limits`", .limits),
        ]
        for (heading, object) in objects {
            let section = try #require(sections.first { $0.hasPrefix(heading) })
            let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { $0.split(separator: " | ") }
            for key in object.keys {
                let row = rows.first { $0[0].contains("`\(key.name)`") }
                #expect(row != nil || section.contains("`\(key.name)`"), "\(object.rawValue).\(key.name) has no row")
                guard let cell = row?.dropFirst(2).first?.replacing(" |", with: ""),
                    cell.wholeMatch(of: /`[^`]*`/) != nil
                else { continue }
                #expect(
                    cell == "`\(key.standard ?? "")`".replacing("{ ", with: "{").replacing(" }", with: "}"),
                    "\(key.name)")
            }
        }
    }

    @Test("the schema is JSON with the allowed and the required keys of each object")
    func schema() throws {
        let bytes = Array(ConfigurationSchema.text.utf8)
        #expect(throws: Never.self) { try JSONReader.read(bytes) }
        let schema = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
        #expect(Set(definitions.keys) == Set(ConfigurationObject.allCases.map(\.rawValue)))
        for object in ConfigurationObject.allCases {
            let definition = try #require(definitions[object.rawValue])
            let properties = try #require(definition["properties"] as? [String: [String: Any]])
            #expect(Set(properties.keys) == Set(object.keyNames))
            #expect(definition["required"] as? [String] == object.keys.filter(\.isRequired).map(\.name))
            for key in object.keys { #expect(properties[key.name]?["description"] as? String == key.meaning) }
        }
    }

    private func read(_ file: String) throws -> Configuration {
        try Configuration.read(Array(file.utf8), environment: [:])
    }
}
