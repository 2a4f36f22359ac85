/// What a stream may be called. A name is any UTF-8, and always literal: `*` in it means nothing.
enum StreamName {
    /// Not empty, and short enough to be kept for each subscription.
    static func isValid(_ name: [UInt8]) -> Bool { !name.isEmpty && name.count <= Limits.streamNameBytes }

    /// Names under which Action Cable and AnyCable talk among themselves on the same Redis. A client that could choose
    /// one would hear every broadcast, or every forced disconnect. A signed name may be any, because the application
    /// chose it.
    static func isReserved(_ name: [UInt8]) -> Bool {
        name.starts(with: remoteConnections) || others.contains(name)
    }

    private static let remoteConnections = Array("action_cable/".utf8)
    private static let others = ["_action_cable_internal", "__anycable__", "__anycable_internal__"].map {
        Array($0.utf8)
    }
}
