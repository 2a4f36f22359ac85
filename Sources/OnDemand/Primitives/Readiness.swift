/// The readiness of a socket as reported by the kernel (epoll(7)).
struct Readiness: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    static let readable = Readiness(rawValue: 1)
    static let writable = Readiness(rawValue: 2)
    /// The peer has ended its direction; unread bytes may remain before that end (EPOLLRDHUP).
    static let peerEnded = Readiness(rawValue: 4)
    /// Both directions have ended, or the socket has an error.
    static let broken = Readiness(rawValue: 8)
}
