/// Owner and purpose of a timer. Each key has at most one timer.
enum TimerKey: Equatable {
    /// The current deadline of a connection.
    case connection(Token)
    /// The next connect attempt to a backend whose accept queue was full.
    case connectRetry(Token)
    /// The end of a pause by the message rate limit.
    case rateLimiter(Token)
    case acceptPause(listener: Int)
    case backend(BackendID, BackendTimer)
    case probe(BackendID)
    case startupSlow(BackendID)
    case startDelay(BackendID)
    /// The guard is to be started, updated or released.
    case familyGuard
    /// The drain timeout of a removed or disabled unmanaged service.
    case unmanagedDrain(BackendID)
    /// The end of a closing session.
    case session(Token)
    /// The upstream of a session: the next attempt, or the end of a wait.
    case relay(Token)
    /// The next ping, or the end of a stalled client.
    case cable(CableID)
    /// The next clients of a cable to disconnect.
    case cableDrain(CableID)
    /// A timer of a cable's Redis connections, with a number of their own.
    case redis(CableID, UInt8)
    case status
    case memoryTrim
    case logRetry
    case watchdog
    case shutdown
}

extension TimerKey: TimerIdentifier {
    /// The kind in the highest byte, the owner in the others. The highest byte of a token only holds its role.
    var code: UInt64 {
        switch self {
        case .connection(let token): Self.code(1, token)
        case .connectRetry(let token): Self.code(2, token)
        case .rateLimiter(let token): Self.code(3, token)
        case .acceptPause(let listener): Self.code(4, listener)
        case .backend(let id, .startup): Self.code(5, id.index)
        case .backend(let id, .idle): Self.code(6, id.index)
        case .backend(let id, .stopStep): Self.code(7, id.index)
        case .backend(let id, .backoffTimer): Self.code(8, id.index)
        case .probe(let id): Self.code(9, id.index)
        case .startupSlow(let id): Self.code(10, id.index)
        case .startDelay(let id): Self.code(11, id.index)
        case .unmanagedDrain(let id): Self.code(12, id.index)
        case .status: Self.code(13, 0)
        case .memoryTrim: Self.code(14, 0)
        case .logRetry: Self.code(15, 0)
        case .watchdog: Self.code(16, 0)
        case .shutdown: Self.code(17, 0)
        case .familyGuard: Self.code(18, 0)
        case .session(let token): Self.code(19, token)
        case .cable(let id): Self.code(20, id.index)
        case .cableDrain(let id): Self.code(21, id.index)
        case .relay(let token): Self.code(23, token)
        case .redis(let id, let number): Self.code(22, id.index << 8 | Int(number))
        }
    }

    private static func code(_ kind: UInt64, _ index: Int) -> UInt64 { kind << 56 | UInt64(index) }

    private static func code(_ kind: UInt64, _ token: Token) -> UInt64 {
        precondition(token.role == .client || token.role == .session, "a timer's token names a client")
        return kind << 56 | token.rawValue & 0xff_ffff_ffff_ffff
    }
}
