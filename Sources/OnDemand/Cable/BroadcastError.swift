/// Why a broadcast is refused with 400, in words for its publisher.
struct BroadcastError: Error, Equatable, Sendable {
    enum Reason: Equatable, Sendable {
        case invalidJSON(JSONScanError)
        case notAnObject
        case missingStream
        case streamIsNoString
        case streamTooLong
        case metaIsNoObject
        case socketIsNoString
        case commandInList
        case unknownCommand
        case missingIdentifier
        case reconnectIsNoBoolean
    }

    let reason: Reason
    /// Of a list, counted from zero.
    let item: Int?

    init(_ reason: Reason, item: Int? = nil) {
        self.reason = reason
        self.item = item
    }

    var sentence: String { item.map { "item \($0): \(explanation)" } ?? explanation }

    private var explanation: String {
        switch reason {
        case .invalidJSON(let error): Self.explanation(of: error)
        case .notAnObject: "not an object with \"stream\" and \"data\""
        case .missingStream: "\"stream\" is missing or empty"
        case .streamIsNoString: "\"stream\" is not a string"
        case .streamTooLong: "\"stream\" is longer than \(Limits.streamNameBytes) bytes"
        case .metaIsNoObject: "\"meta\" is not an object"
        case .socketIsNoString: "\"meta.exclude_socket\" is not a string"
        case .commandInList: "a command cannot be part of a list"
        case .unknownCommand: "unknown \"command\"; there is \"disconnect\""
        case .missingIdentifier: "\"payload.identifier\" is missing or not a string"
        case .reconnectIsNoBoolean: "\"payload.reconnect\" is not true or false"
        }
    }

    private static func explanation(of error: JSONScanError) -> String {
        switch error.reason {
        case .syntax, .notAnObject: "invalid JSON at byte \(error.offset)"
        case .invalidUTF8: "invalid UTF-8 at byte \(error.offset)"
        case .tooDeep: "nested deeper than \(JSONScanner.depthLimit) levels at byte \(error.offset)"
        }
    }
}
