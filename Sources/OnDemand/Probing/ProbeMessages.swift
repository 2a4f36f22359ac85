/// Events, effects and facts of a probe.
extension ProbeMachine {
    enum Purpose: Equatable { case checkAddress, readiness }

    enum Event {
        case begin(Purpose)
        /// An awake backend has lost its listener: probe again, after a pause.
        case listenerLost
        case stop
        /// The backend has sent READY=1.
        case notified
        /// The backend has printed a line, as servers do when they begin to listen.
        case printed
        /// The pause or the time limit is over.
        case timeReached
        /// The result of `lookUp`.
        case lookedUp(SocketLookup)
        /// Results of `connect`. `connected` follows `connectionStarted` where the kernel needs time.
        case isOwnListener, connectionStarted, connected
        case connectionFailed(Errno?)
        /// The socket cannot be watched (epoll_ctl(2)).
        case unwatchable
        /// The result of `identifyOwner`.
        case ownerFound(SocketLookup)
        /// The result of `converse`.
        case conversation(ProbeConversation)
        case received(ArraySlice<UInt8>)
        /// The end or the failure of the connection.
        case ended
    }

    enum Effect: Equatable {
        case lookUp, connect, identifyOwner, converse
        case send([UInt8])
        case endSending, watch, close
        /// Calls for `timeReached`; replaces the earlier call.
        case arm(after: Duration)
        case disarm
        case removeStaleSocket
        /// A foreign listener was found, for the first time in this start.
        case logConflict
        case report(BackendMachine.Event)
    }

    /// Facts about the backend at the time of an event.
    struct Facts {
        let check: ReadinessCheck
        /// Without an address there is no conflict, and the backend is ready as soon as it runs.
        var hasAddress = true
        /// The daemon holds the listening socket that the backend inherits.
        var inheritsSocket = false
        /// Each start gets a port that the daemon has just found free.
        var picksPort = false
        /// Time since the start, or since the listener was lost.
        var elapsed: Duration = .zero
        /// nil: too few are known.
        var usualStartup: UsualStartup?
    }
}
