/// What a socket can do now, as far as the kernel has told (epoll(7)).
struct Readiness: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    static let readable = Readiness(rawValue: 1)
    static let writable = Readiness(rawValue: 2)
    /// The peer will send nothing more; bytes may still wait in front of that end (EPOLLRDHUP).
    static let peerEnded = Readiness(rawValue: 4)
    /// Both directions are over, or the socket has an error to tell.
    static let broken = Readiness(rawValue: 8)
}
