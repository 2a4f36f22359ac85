/// A service as long as it is one: the name of a backend inside the daemon. A number is used again only once nobody
/// knows the one who had it.
struct BackendID: Hashable, Sendable {
    /// Narrow, because every connection keeps one.
    private let number: UInt32

    init(index: Int) { number = UInt32(index) }

    var index: Int { Int(number) }

    /// What has no routes is numbered from here on, so that services come and go without regard to it.
    static let firstProcess = 1 << 20
}

/// One life of a backend. A late event of generation n must never touch generation n + 1.
struct Generation: Hashable, Comparable, Sendable {
    let number: UInt32

    static func < (left: Generation, right: Generation) -> Bool { left.number < right.number }
    var next: Generation { Generation(number: number &+ 1) }
}

/// A client that waits for a backend: the one thing the proxy and the supervisor both know about it. Backends that
/// require others wait with tickets, too; theirs are counted from the upper half of the numbers.
struct Ticket: Hashable, Sendable {
    let number: UInt64

    private static let firstOfBackends: UInt64 = 1 << 63

    init(number: UInt64) { self.number = number }

    init(ofBackend count: UInt64) { number = Self.firstOfBackends + count }

    var isOfBackend: Bool { number > Self.firstOfBackends }
}

/// The number of a cable, stable across reloads. A number is used again after the last client of its cable has left.
struct CableID: Hashable, Sendable {
    private let number: UInt16

    init(index: Int) { number = UInt16(index) }

    var index: Int { Int(number) }
}

/// A process as the kernel numbers it. Valid until reaped, and only its parent can rely on that.
struct ProcessID: Hashable, Sendable {
    let number: Int32
    /// Which of the daemon's launches it leads; 0 for a process that the daemon did not start. A family outlives its
    /// leader, and the leader's number may be given to another process meanwhile.
    let launch: UInt64

    init(number: Int32, launch: UInt64 = 0) {
        self.number = number
        self.launch = launch
    }
}
