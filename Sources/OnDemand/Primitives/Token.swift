/// What the kernel hands back with an event: whose it is, which slot, and which life of that slot.
///
/// Packed into the 64 bits of an epoll cookie. A late event for a slot that was given to somebody else carries the
/// old generation and finds nobody.
struct Token: Hashable, Sendable {
    enum Role: UInt8, Sendable {
        case listener, client, upstream, childOutput, childErrors, probe, notification, signals, wakeup
        /// A client of a cable.
        case session
        /// A connection to a Redis server.
        case redis
        /// Messages of cables that are left to deliver; no socket.
        case delivery
    }

    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// `generation` keeps its lower 24 bits: 16 million reuses of one slot within one batch of events cannot happen.
    init(_ role: Role, index: Int, generation: UInt32) {
        rawValue = UInt64(role.rawValue) << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(UInt32(index))
    }

    var role: Role {
        guard let role = Role(rawValue: UInt8(rawValue >> 56)) else {
            preconditionFailure("the kernel returned a token nobody made")
        }
        return role
    }

    /// One of the two sockets of a link.
    var isOfConnection: Bool { role == .client || role == .upstream }

    var index: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff }
}
