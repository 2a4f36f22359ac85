/// The table of keys as a JSON Schema (draft 2020-12) for completion and validation in editors.
enum ConfigurationSchema {
    static var text: String {
        """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "The configuration of ondemandd",
          "$ref": "#/$defs/\(ConfigurationObject.configuration.rawValue)",
          "$defs": {
        \(ConfigurationObject.allCases.map(definition).joined(separator: ",\n"))
          }
        }

        """
    }

    private static func definition(of object: ConfigurationObject) -> String {
        let required = object.keys.filter(\.isRequired).map { JSONText.quoted($0.name) }.joined(separator: ", ")
        return """
                \(JSONText.quoted(object.rawValue)): {
                  "type": "object",
                  "additionalProperties": false,
                  "required": [\(required)],\(rules(of: object))
                  "properties": {
            \(object.keys.map(property).joined(separator: ",\n"))
                  }
                }
            """
    }

    /// Returns rules between keys.
    private static func rules(of object: ConfigurationObject) -> String {
        switch object {
        case .onDemand, .process: #" "not": { "required": ["stop", "stop_timeout"] },"#
        case .wakeCondition: #" "minProperties": 1, "maxProperties": 1,"#
        case .configuration: #" "anyOf": [{ "required": ["reverse_proxies"] }, { "required": ["cables"] }],"#
        case .cableBroadcast: #" "anyOf": [{ "required": ["path"] }, { "required": ["listen"] }],"#
        case .cable: #" "dependentRequired": { "connect": ["backend"], "hibernate": ["backend"] },"#
        default: ""
        }
    }

    private static func property(of key: ConfigurationKey) -> String {
        let standard = key.standard.map { ", \"default\": \($0)" } ?? ""
        let members = "\"description\": \(JSONText.quoted(key.meaning))\(standard), \(members(of: key.kind))"
        return "        \(JSONText.quoted(key.name)): { \(members) }"
    }

    /// A string with a variable, whose value only the daemon knows.
    private static let variable = #"{ "pattern": "\\$\\{" }"#

    private static func members(of kind: ConfigurationKey.Kind) -> String {
        switch kind {
        case .string: #""type": "string""#
        case .pattern(let pattern): text(matching: pattern)
        case .boolean: #""type": "boolean""#
        case .flag: anyOf(members(of: .boolean), text(matching: flag))
        case .duration: text(matching: "^(0|\(duration))$")
        case .span: text(matching: "^(?=.*[1-9])\(duration)$")
        case .integer(let range): integer(from: "\(range.lowerBound)", to: "\(range.upperBound)")
        case .size(let range):
            anyOf(integer(from: "\(range.lowerBound)", to: "\(range.upperBound)"), text(matching: "^[0-9]+([KMG]i)?B$"))
        case .bound(let kind): anyOf(members(of: .words(["off"])), members(of: kind))
        case .words(let words):
            #""type": "string", "#
                + "\"anyOf\": [{ \"enum\": [\(words.map(JSONText.quoted).joined(separator: ", "))] }, \(variable)]"
        case .list(let kind, let most): list(of: kind, least: 0, most: most)
        case .oneOrMore(let kind, let most): anyOf(members(of: kind), list(of: kind, least: 1, most: most))
        case .strings: #""type": "object", "additionalProperties": { "type": "string" }"#
        case .object(let object): "\"$ref\": \"#/$defs/\(object.rawValue)\""
        case .either(let first, let second): anyOf(members(of: first), members(of: second))
        }
    }

    private static let flag: String = {
        let words = ["true", "1", "yes", "on", "false", "0", "no", "off", ""]
        // Schema patterns cannot ignore case, so each letter appears in both.
        let spelled = words.map { $0.map { $0.isLetter ? "[\($0.uppercased())\($0)]" : "\($0)" }.joined() }
        return "^(\(spelled.joined(separator: "|")))$"
    }()

    private static let duration = "(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?"

    private static func text(matching pattern: String) -> String {
        #""type": "string", "anyOf": [{ "pattern": "# + JSONText.quoted(pattern) + " }, \(variable)]"
    }

    private static func integer(from least: String, to most: String) -> String {
        "\"type\": \"integer\", \"minimum\": \(least), \"maximum\": \(most)"
    }

    private static func list(of kind: ConfigurationKey.Kind, least: Int, most: Int?) -> String {
        let bounds = (least > 0 ? ", \"minItems\": \(least)" : "") + (most.map { ", \"maxItems\": \($0)" } ?? "")
        return "\"type\": \"array\", \"items\": { \(members(of: kind)) }\(bounds)"
    }

    private static func anyOf(_ first: String, _ second: String) -> String {
        "\"anyOf\": [{ \(first) }, { \(second) }]"
    }
}
