/// Subscriptions that keep a backend awake, counted by reason and channel.
struct StatefulSubscriptions {
    private struct Key: Hashable {
        let reason: RelayMachine.StateReason
        let digest: UInt32
    }

    private(set) var shown: [Snapshot.Cable.Stateful] = []
    /// Positions in `shown`; nil for a reason that is not shown.
    private var positions: [Key: Int?] = [:]

    /// Each identifier is read once, and only so many are: clients may have any number of long ones, and the status is
    /// asked for often.
    mutating func add(_ reason: RelayMachine.StateReason, _ identifier: [UInt8], _ digest: UInt32) {
        let isRead = positions.count < Limits.readStateReasons
        let key = Key(reason: reason, digest: digest)
        if let known = positions[key] {
            if let known { shown[known].subscriptions += 1 }
            return
        }
        let channel = isRead ? BackendChannels.channel(of: identifier) : ""
        var position = shown.firstIndex { $0.reason == reason.rawValue && $0.channel == channel }
        if let position {
            shown[position].subscriptions += 1
        } else if shown.count < Limits.shownStateReasons {
            shown.append(.init(reason: reason.rawValue, channel: channel, subscriptions: 1))
            position = shown.count - 1
        }
        if isRead { positions[key] = .some(position) }
    }
}
