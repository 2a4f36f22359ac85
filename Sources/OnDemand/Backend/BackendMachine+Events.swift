/// What happens to a backend, and what the machine asks its driver to do.
extension BackendMachine {
    enum Event: Equatable {
        case wanted(Ticket)
        /// A client asks that must not cause a start.
        case wantedIfAwake(Ticket)
        case abandoned(Ticket)
        /// An admitted client found no listener, or was reset before this generation had responded. It is queued again.
        /// `wasSent`: its request had been sent, so it may have crashed the process.
        case listenerMissing(Ticket, Generation, wasSent: Bool)
        /// The daemon starts an always-on backend.
        case startRequested
        /// All dependencies are ready, and stay so until they are released.
        case dependenciesReady
        /// A dependency is not available before `retryAfter`, or before an operator enables it.
        case dependencyRefused(String, Refusal, retryAfter: Duration)
        /// The configuration changed, and with it the dependencies of a start without a process.
        case dependenciesChanged
        case addressFree
        case addressTaken
        case spawned
        case spawnFailed(SystemError)
        case probeSucceeded
        case lastLeaseReturned(Generation)
        case gateClosed
        case gateBusy
        /// No lease is held, but a tunnel's client has sent data within the idle timeout.
        case clientDataSeen(at: Instant)
        /// All tunnels of this generation that got a close frame are closed.
        case tunnelsDrained(Generation)
        case timerFired(BackendTimer)
        /// The spawned process has exited.
        case exited(Exit)
        /// No process of its group is left.
        case treeGone
        case operation(BackendOperation)
        case shutdownRequested
        /// Skip the current step of the stop plan.
        case shutdownForced
    }

    enum Effect: Equatable {
        /// Acquire everything in `requires`; leases that are held stay held.
        case acquireDependencies
        /// The dependencies may idle out.
        case releaseDependencies
        case checkAddress
        case spawn(Generation)
        case startProbing
        case stopProbing
        /// Probe the same process again after a pause.
        case probeAgain
        case openGate(Generation, leases: Int)
        /// Take one more lease of the open gate, for a client that asked just before it opened.
        case enterGate
        case tryCloseGate
        /// Close the gate to new clients; existing leases still count.
        case closeGate
        case closeGateByForce
        /// Close the gate until the same generation opens it again; existing leases stay.
        case suspendGate
        case admit([Ticket], Generation)
        case refuse([Ticket], Refusal, retryAfter: Duration?)
        case arm(BackendTimer, at: Instant)
        case disarm(BackendTimer)
        /// Close the open tunnels with close frames for this reason.
        case closeTunnels(Generation, CloseReason, over: Duration)
        case signal(StopSignal)
        /// End all connections and leases of this generation.
        case endGeneration(Generation)
    }
}
