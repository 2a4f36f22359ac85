/// Why a client keeps the backend awake, for the status.
extension RelayMachine {
    /// Why a client cannot be restored.
    enum StateReason: String, CaseIterable, Sendable {
        /// The channel is not one of `hibernate.channels`.
        case notListed = "channel_not_listed"
        /// An action may have left state behind.
        case actionPerformed = "action_performed"
        case notConfirmed = "not_confirmed"
        /// Broadcasts of the channel could not be heard while the backend sleeps.
        case streamsUnknown = "streams_unknown"
        /// The connection has had binary messages, commands that are not Action Cable's, a session identifier or
        /// extensions.
        case opaqueConnection = "opaque_connection"
        /// The cable has no `hibernate`.
        case noHibernation = "no_hibernation"
    }

    /// Why an attached client keeps the backend awake, with the identifiers concerned and the digests of their content.
    func stateReasons(_ rules: Rules) -> [(reason: StateReason, identifier: [UInt8], digest: UInt32)] {
        guard isAttached else { return [] }
        guard rules.hibernates else { return [(.noHibernation, [], 0)] }
        guard !isOpaque else { return [(.opaqueConnection, [], 0)] }
        return journal.subscriptions.compactMap { subscription in
            let reason: StateReason? =
                if subscription.progress != .confirmed { .notConfirmed } else if !subscription.isReplayable {
                    .notListed
                } else if subscription.hasState {
                    .actionPerformed
                } else if rules.hasSource,
                    !subscription.knowsStreams
                { .streamsUnknown } else { nil }
            return reason.map { ($0, subscription.identifier, subscription.digest) }
        }
    }
}
