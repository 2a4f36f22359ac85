/// Owner, purpose and subject of a timer, as the numbers of a `Token`. Each key has at most one timer.
struct TimerKey: Equatable {
    private let token: Token

    init<Kind: OwnedKind>(_ kind: Kind, index: Int = 0, generation: UInt32 = 0) {
        token = Token(kind, index: index, generation: generation)
    }

    /// The timer of a socket's owner.
    init<Kind: OwnedKind>(_ kind: Kind, of token: Token) {
        self.init(kind, index: token.index, generation: token.generation)
    }

    var owner: Owner { token.owner }
    var index: Int { token.index }
    var generation: UInt32 { token.generation }
}

extension TimerKey: TimerIdentifier {
    /// Not 0, because no owner has that number.
    var code: UInt64 { token.rawValue }
}

extension OwnedKind {
    /// The kind of a timer of this owner.
    init(_ key: TimerKey) { self.init(Token(rawValue: key.code)) }
}
