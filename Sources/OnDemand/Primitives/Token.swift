/// The cookie of an epoll event: the owner's role, its slot and the slot's generation, in 64 bits.
///
/// A late event for a reused slot has the old generation and is ignored.
struct Token: Hashable, Sendable {
    enum Role: UInt8, Sendable {
        case listener, client, upstream, childOutput, childErrors, probe, notification, signals, wakeup
        /// A client of a cable.
        case session
        /// The upstream of a client of a cable.
        case relay
        /// A connection to a Redis server.
        case redis
        /// Messages of cables that are left to deliver; no socket.
        case delivery
    }

    let rawValue: UInt64

    init(rawValue: UInt64) { self.rawValue = rawValue }

    /// `generation` keeps 24 bits: 16 million reuses of a slot within one batch of events cannot occur.
    init(_ role: Role, index: Int, generation: UInt32) {
        rawValue = UInt64(role.rawValue) << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(UInt32(index))
    }

    var role: Role {
        guard let role = Role(rawValue: UInt8(rawValue >> 56)) else {
            preconditionFailure("the kernel returned an unknown token")
        }
        return role
    }

    /// Whether this is a socket of a client connection.
    var isOfConnection: Bool { role == .client || role == .upstream }

    var index: Int { Int(UInt32(truncatingIfNeeded: rawValue)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff }
}
