/// The owner and the purpose of a timer; each has one.
enum TimerKey: Equatable {
    /// A conversation's current deadline, whatever it is.
    case connection(Token)
    /// The next attempt to connect to a backend whose queue was full.
    case connectRetry(Token)
    /// A client that sent too fast may be read from again.
    case rateLimiter(Token)
    case acceptPause(listener: Int)
    case backend(BackendID, BackendTimer)
    case probe(BackendID)
    case startupSlow(BackendID)
    case startDelay(BackendID)
    /// There is something to tell the guard, or a guard to start or to let go.
    case familyGuard
    /// What is not ours to start leaves the configuration; its clients have this long.
    case unmanagedDrain(BackendID)
    /// The end of a closing session.
    case session(Token)
    /// The next ping, or the end of a stalled client.
    case cable(CableID)
    /// The next clients of a cable to disconnect.
    case cableDrain(CableID)
    /// A timer of a cable's Redis connections; the number is theirs.
    case redis(CableID, UInt8)
    case status
    case memoryTrim
    case logRetry
    case watchdog
    case shutdown
}

extension TimerKey: TimerIdentifier {
    /// The kind in the highest byte, and whose it is in the others: a token's own highest byte only says that it is a
    /// client's.
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
        case .redis(let id, let number): Self.code(22, id.index << 8 | Int(number))
        }
    }

    private static func code(_ kind: UInt64, _ index: Int) -> UInt64 { kind << 56 | UInt64(index) }

    private static func code(_ kind: UInt64, _ token: Token) -> UInt64 {
        precondition(token.role == .client || token.role == .session, "a timer's token names a client")
        return kind << 56 | token.rawValue & 0xff_ffff_ffff_ffff
    }
}
