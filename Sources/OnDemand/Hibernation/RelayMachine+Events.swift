/// What happens to a client's upstream, and what the machine asks its driver to do.
extension RelayMachine {
    enum Event: Equatable {
        /// A message of the client that the cable does not serve itself.
        case clientCommand([UInt8])
        case clientSentBinary([UInt8])
        /// A text message of the backend.
        case message([UInt8])
        case upstreamSentBinary([UInt8])
        /// The upstream is closed, by which side ever. `hasGap`: messages of its streams may have been missed. `isCut`:
        /// commands were sent that have not reached the backend, or messages that have not been read.
        case upstreamEnded(hasGap: Bool, isCut: Bool = false)
        /// The backend did not accept the connection that was made again. `isFinal`: nor would it later.
        case upstreamRefused(isFinal: Bool)
        /// No start of the backend within the limits.
        /// `isAwake`: it runs, and this client could not be connected to it.
        case wakeFailed(isAwake: Bool)
        /// The backend accepts connections.
        case backendAwake
        /// The backend will be stopped. `canListen`: the messages of the client's streams reach the cable.
        case backendStops(canListen: Bool)
        /// The queued client commands may be sent.
        case commandsMayLeave
        /// The configuration has changed.
        case rulesChanged
    }

    enum Effect: Equatable {
        /// Ask for a lease and connect.
        case acquire(WakeTrigger)
        /// The same after a pause.
        case acquireAgain
        /// A text message to the backend.
        case send([UInt8])
        case sendBinary([UInt8])
        /// A ping of the backend, which is not for the client.
        case pinged
        /// A text message to the client.
        case deliver([UInt8])
        case deliverBinary([UInt8])
        /// Answers of the daemon; the identifier is a JSON string.
        case confirm([UInt8])
        case reject([UInt8])
        /// Messages of these streams are delivered to the identifier's subscription, from now on.
        case beginDelivery(identifier: [UInt8], streams: [[UInt8]])
        /// The backend delivers from now on: end the delivery when everything before this moment has arrived.
        case endDelivery(identifier: [UInt8])
        /// The client has unsubscribed.
        case dropDelivery(identifier: [UInt8])
        /// Listen to these streams, so that no message is missed when the backend sleeps.
        case listen([[UInt8]])
        case stopListening([[UInt8]])
        case closeUpstream
        /// Close the connection without a close frame, and return its lease.
        case abortUpstream
        case takeLease
        case returnLease
        /// Tell the client to reconnect, and end its connection.
        case disconnect(Disconnection)
        /// The backend has ended the client's connection.
        case endClient
        /// The same as a `welcome` of the backend.
        case notify
        case count(Counted)

        /// A message of the backend for the client.
        var isDelivery: Bool {
            switch self {
            case .deliver, .deliverBinary: true
            case .send, .sendBinary: false
            case .acquire, .acquireAgain, .pinged, .confirm, .reject, .beginDelivery, .endDelivery, .dropDelivery,
                .listen, .stopListening, .closeUpstream, .abortUpstream, .takeLease, .returnLease, .disconnect,
                .endClient, .notify, .count:
                false
            }
        }

        /// Data in either direction, which keeps the backend in use (R1).
        var isData: Bool {
            switch self {
            case .send, .sendBinary: true
            case .deliver, .deliverBinary: true
            case .acquire, .acquireAgain, .pinged, .confirm, .reject, .beginDelivery, .endDelivery, .dropDelivery,
                .listen, .stopListening, .closeUpstream, .abortUpstream, .takeLease, .returnLease, .disconnect,
                .endClient, .notify, .count:
                false
            }
        }
    }

    /// Why a client must reconnect.
    enum Disconnection: String, CaseIterable, Sendable {
        /// R2, R27: the backend stopped, and the client had state that cannot be restored.
        case stateLost = "state_lost"
        /// R21: the backend ended, and it is not known whether a command was performed.
        case commandInFlight = "command_in_flight"
        /// R3: the backend sleeps, and its broadcasts could not be heard.
        case notListening = "not_listening"
        /// R18: a subscription was rejected that had been confirmed before.
        case replayRejected = "replay_rejected"
        /// R19: the backend did not accept the client again.
        case notAccepted = "not_accepted"
        /// R20: too many commands were queued.
        case queueFull = "queue_full"
        /// R20, R29: the backend could not be started in time.
        case wakeFailed = "wake_failed"
    }

    /// What needed the backend.
    enum WakeTrigger: String, CaseIterable, Sendable { case command, subscription, restore }

    /// For metrics.
    enum Counted: Equatable, Sendable {
        case replayed
        case ignoredCommand
    }
}
