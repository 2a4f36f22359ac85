/// The effective configuration, value by value, with the source of each: the output of `ondemandd config show`.
///
/// It follows the table of keys through a valid file. Secrets are not repeated: neither tokens, nor headers and
/// variables of a process that come from outside the file.
struct EffectiveConfiguration {
    struct Setting: Equatable {
        let path: String
        /// Value as it would be written; nil where it is not set and has no default.
        let value: String?
        var origin = Origin.standard
    }

    enum Origin: Equatable {
        case standard
        /// Its position, and the variables filled in there.
        case file(TextPosition, [Variable])
    }

    struct Variable: Equatable {
        enum Source: String {
            case environment
            case file = "env_file"
            case nowhere = "unset"
        }

        let name: String
        let source: Source
    }

    private(set) var settings: [Setting] = []
    private let interpolation: Interpolation
    /// For the name of the variables file itself, which is resolved before the file is read.
    private let ownInterpolation: Interpolation
    private let fromFile: Set<String>
    /// Global limits that services inherit.
    private var shared: [String: Setting] = [:]

    init(
        _ bytes: [UInt8], environment: [String: String], reading: Configuration.Reading = Configuration.noFile,
        resolving: Configuration.Resolving = { _ in nil }
    ) throws(ConfigurationErrors) {
        _ = try Configuration.read(bytes, environment: environment, reading: reading, resolving: resolving)
        guard let root = try? JSONReader.read(bytes), case .object(let members) = root.content else {
            preconditionFailure("what has been read once can be read again")
        }
        let node = ConfigurationNode(path: "", value: root)
        let variables = try EnvironmentFile.variables(of: node, environment, reading)
        fromFile = Set(variables.map(\.name))
        let pairs = variables.map { ($0.name, $0.value) }
        ownInterpolation = Interpolation(environment: environment)
        interpolation = Interpolation(environment: environment.merging(pairs) { _, new in new })
        shareLimits(of: members)
        tell(.configuration, members, at: node)
    }

    // MARK: Objects

    private mutating func tell(_ object: ConfigurationObject, _ members: [JSONMember], at node: ConfigurationNode) {
        for key in object.keys where key.counts(beside: members, in: object) {
            let path = node.path(of: key.name)
            if let member = members.first(where: { $0.key == key.name }) {
                tell(ConfigurationNode(path: path, value: member.value), of: key, as: key.kind)
            } else if let standard = key.standard, case .object(let inner) = key.kind {
                precondition(standard.hasPrefix("{"), "an object stands for an object")
                tell(inner, [], at: ConfigurationNode(path: path, value: node.value))
            } else if object == .serviceLimits, let shared = shared[key.name] {
                settings.append(Setting(path: path, value: shared.value, origin: shared.origin))
            } else {
                settings.append(Setting(path: path, value: standard(of: key, beside: members, in: object)))
            }
        }
    }

    /// Returns the default where it depends on other keys.
    private func standard(
        of key: ConfigurationKey, beside members: [JSONMember], in object: ConfigurationObject
    ) -> String? {
        guard object == .cable, key.name == "protocols", members.contains(where: { $0.key == "backend" }) else {
            return key.standard
        }
        var connect = Configuration.Cable.Connect.backend.rawValue
        if let member = members.first(where: { $0.key == "connect" }), case .string(let text) = member.value.content {
            connect = (try? interpolation.expand(text).text) ?? connect
        }
        return connect == Configuration.Cable.Connect.backend.rawValue ? "[\"action_cable\"]" : key.standard
    }

    private mutating func tell(_ node: ConfigurationNode, of key: ConfigurationKey, as kind: ConfigurationKey.Kind) {
        switch (kind, node.value.content) {
        case (.object(let object), .object(let members)):
            tell(object, members, at: node)
        case (.either(let first, let second), .object), (.either(let first, let second), .array):
            tell(node, of: key, as: first.holdsObjects ? first : second)
        case (.list(let kind, _), .array(let items)) where items.contains(where: \.isObject),
            (.oneOrMore(let kind, _), .array(let items)) where items.contains(where: \.isObject):
            for (index, item) in items.enumerated() { tell(node.item(index, item), of: key, as: kind) }
        case (.oneOrMore(let kind, _), .object):
            tell(node, of: key, as: kind)
        case (.strings, .object(let members)):
            for member in members {
                settings.append(setting(.init(path: node.path(of: member.key), value: member.value), of: key))
            }
        default:
            settings.append(setting(node, of: key))
        }
    }

    /// Records global limits as defaults of each service; `max_connections` belongs to listeners instead.
    private mutating func shareLimits(of members: [JSONMember]) {
        guard let limits = members.first(where: { $0.key == "limits" }), case .object(let told) = limits.value.content
        else { return }
        for key in ConfigurationObject.serviceLimits.keys where key.name != "max_connections" {
            guard let member = told.first(where: { $0.key == key.name }) else { continue }
            shared[key.name] = setting(ConfigurationNode(path: "", value: member.value), of: key)
        }
    }

    // MARK: Values

    private func setting(_ node: ConfigurationNode, of key: ConfigurationKey) -> Setting {
        var names: [String] = []
        let written = rendered(node.value, of: key, &names)
        let variables = names.map { Variable(name: $0, source: source(of: $0, for: key)) }
        let isForeign = variables.contains { $0.source != .nowhere }
        let isSecret = key.secrecy == .whole || (isForeign && ["env", "headers"].contains(key.name))
        return Setting(
            path: node.path, value: isSecret ? "\"***\"" : written, origin: .file(node.value.position, variables))
    }

    private func source(of name: String, for key: ConfigurationKey) -> Variable.Source {
        if key.name != "env_file", fromFile.contains(name) { return .file }
        return interpolation.environment[name] == nil ? .nowhere : .environment
    }

    private func rendered(_ value: JSONValue, of key: ConfigurationKey, _ names: inout [String]) -> String {
        switch value.content {
        case .null: return "null"
        case .boolean(let boolean): return boolean ? "true" : "false"
        case .number(let number): return number.text
        case .string(let template):
            let interpolation = key.name == "env_file" ? ownInterpolation : interpolation
            let dollars: Interpolation.Dollars = key.name == "headers" ? .doubled : .plain
            guard let expanded = try? interpolation.expand(template, dollars: dollars) else {
                return JSONText.quoted(template)
            }
            names += expanded.origins.filter { !names.contains($0) }
            return JSONText.quoted(
                key.secrecy == .password ? RedisURL.hidingPassword(in: expanded.text) : expanded.text)
        case .array(let items):
            return "[\(items.map { rendered($0, of: key, &names) }.joined(separator: ", "))]"
        case .object(let members):
            let parts = members.map { "\(JSONText.quoted($0.key)): \(rendered($0.value, of: key, &names))" }
            return "{\(parts.joined(separator: ", "))}"
        }
    }
}

extension JSONValue {
    fileprivate var isObject: Bool { if case .object = content { true } else { false } }
}

extension ConfigurationKey.Kind {
    fileprivate var holdsObjects: Bool {
        switch self {
        case .object: true
        case .list(let kind, _), .oneOrMore(let kind, _), .bound(let kind): kind.holdsObjects
        case .either(let first, let second): first.holdsObjects || second.holdsObjects
        case .string, .pattern, .boolean, .flag, .duration, .span, .integer, .size, .words, .strings: false
        }
    }
}

extension ConfigurationKey {
    /// Returns whether the key has an effect next to these members.
    fileprivate func counts(beside members: [JSONMember], in object: ConfigurationObject) -> Bool {
        func says(_ key: String, _ text: String) -> Bool {
            members.contains { $0.key == key && $0.value.content == .string(text) }
        }
        switch (object, name) {
        case (_, "$schema"): return false
        case (.onDemand, "stop_timeout"), (.process, "stop_timeout"): return !members.contains { $0.key == "stop" }
        // A process that starts with the daemon never idles out.
        case (.process, "idle_timeout"): return says("start", "when_required")
        case (.cable, "connect"), (.cable, "hibernate"): return members.contains { $0.key == "backend" }
        // A condition has one key only.
        case (.wakeCondition, _): return members.contains { $0.key == name }
        default: return true
        }
    }
}

// MARK: - As text

extension EffectiveConfiguration {
    func text(file: String) -> String {
        let rows = settings.map { ($0.path, $0.value?.withoutControls ?? "not set", origin($0.origin, file: file)) }
        let widths = (
            min(rows.map(\.0.count).max() ?? 0, Self.widest), min(rows.map(\.1.count).max() ?? 0, Self.widest)
        )
        return rows.map { path, value, origin in
            "\(Self.padded(path, widths.0))  \(Self.padded(value, widths.1))  \(origin)\n"
        }.joined()
    }

    /// A longer column shifts the rest of its line.
    private static let widest = 48

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func origin(_ origin: Origin, file: String) -> String {
        guard case .file(let position, let variables) = origin else { return "default" }
        let filled = variables.map { variable in
            switch variable.source {
            case .environment: ", \(variable.name) from the environment"
            case .file: ", \(variable.name) from env_file"
            case .nowhere: ", \(variable.name) is not set"
            }
        }
        return "\(file):\(position.line)\(filled.joined())"
    }

    /// Returns JSON as documented in docs/CONFIGURATION.md.
    func json(file: String) -> String {
        let objects = settings.map { setting in
            let head = "{\"path\":\(JSONText.quoted(setting.path)),\"value\":\(setting.value ?? "null"),"
            guard case .file(let position, let variables) = setting.origin else {
                return head + "\"source\":\"default\"}"
            }
            let source = variables.last { $0.source != .nowhere }?.source.rawValue ?? "file"
            let names = variables.map { "{\"name\":\"\($0.name)\",\"from\":\"\($0.source.rawValue)\"}" }
            return head + "\"source\":\"\(source)\",\"line\":\(position.line),\"column\":\(position.column),"
                + "\"variables\":[\(names.joined(separator: ","))]}"
        }
        return
            "{\"version\":1,\"file\":\(JSONText.quoted(file)),\"settings\":[\n\(objects.joined(separator: ",\n"))\n]}\n"
    }
}
