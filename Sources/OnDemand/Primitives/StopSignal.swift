/// Signals of stop plans, with their numbers on Linux (signal(7)).
enum StopSignal: Int32, CaseIterable, Sendable {
    case hangUp = 1
    case interrupt = 2
    case quit = 3
    case kill = 9
    case user1 = 10
    case user2 = 12
    case terminate = 15

    /// The name in the configuration, without SIG.
    var name: String {
        switch self {
        case .hangUp: "HUP"
        case .interrupt: "INT"
        case .quit: "QUIT"
        case .kill: "KILL"
        case .user1: "USR1"
        case .user2: "USR2"
        case .terminate: "TERM"
        }
    }
}
