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

    /// Whether a name of this pattern may be a reserved one. `*` stands for anything but a slash.
    static func mayBeReserved(_ pattern: String) -> Bool {
        let whole = StreamPattern(pattern)
        guard let slash = pattern.utf8.firstIndex(of: UInt8(ascii: "/")) else {
            return others.contains(where: whole.matches)
        }
        return StreamPattern(String(pattern[...slash])).matches(remoteConnections)
    }

    private static let remoteConnections = Array("action_cable/".utf8)
    private static let others = ["_action_cable_internal", "__anycable__", "__anycable_internal__"].map {
        Array($0.utf8)
    }
}
