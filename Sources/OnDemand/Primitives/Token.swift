/// The cookie of an epoll event, in 64 bits: its owner, the owner's kind of source, a slot and the slot's generation.
///
/// A late event for a reused slot has the old generation and is ignored. Owners and kinds belong to the drivers.
struct Token: Hashable, Sendable {
    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// `generation` keeps 24 bits: 16 million reuses of a slot within one batch of events cannot occur.
    @inline(__always)
    init<Kind: OwnedKind>(_ kind: Kind, index: Int, generation: UInt32) {
        let source = UInt64(Kind.owner.number) << 4 | UInt64(kind.rawValue)
        rawValue = source << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(UInt32(index))
    }

    var owner: Owner { Owner(number: UInt8(rawValue >> 60)) }
    var index: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff }
}

/// The part of a program that handles an event or a timer. Each driver declares its own, beside its kinds.
struct Owner: Hashable, Sendable {
    /// From 1 to 15, unique in a program.
    let number: UInt8
}

/// What a driver distinguishes among its sockets, or among its timers: at most 16 cases.
protocol OwnedKind: RawRepresentable where RawValue == UInt8 {
    static var owner: Owner { get }
}

extension OwnedKind {
    /// The kind of a token of this owner.
    @inline(__always)
    init(_ token: Token) {
        guard token.owner == Self.owner, let kind = Self(rawValue: UInt8(token.rawValue >> 56) & 0xf) else {
            preconditionFailure("a token of an unknown kind")
        }
        self = kind
    }
}
