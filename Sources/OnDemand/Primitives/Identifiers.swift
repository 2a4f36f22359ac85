/// The number of a service, stable across reloads. It is reused only after the last connection that refers to it has
/// closed.
struct BackendID: Hashable, Sendable {
    /// 32 bits, because every connection stores one.
    private let number: UInt32

    init(index: Int) { number = UInt32(index) }

    var index: Int { Int(number) }

    /// First number of processes without routes, so that services do not affect their numbers.
    static let firstProcess = 1 << 20
}

/// One run of a backend, from start to stop. A late event of generation n must not affect generation n + 1.
struct Generation: Hashable, Comparable, Sendable {
    let number: UInt32

    static func < (left: Generation, right: Generation) -> Bool { left.number < right.number }
    var next: Generation { Generation(number: number &+ 1) }
}

/// A client that waits for a backend; the only name that proxy and supervisor share for it. Dependents wait with
/// tickets too, counted from the upper half of the numbers.
struct Ticket: Hashable, Sendable {
    let number: UInt64

    private static let firstOfBackends: UInt64 = 1 << 63

    init(number: UInt64) { self.number = number }

    init(ofBackend count: UInt64) { number = Self.firstOfBackends + count }

    /// For a client of a cable.
    init(ofCableSession count: UInt64) { number = Self.firstOfCableSessions + count }

    private static let firstOfCableSessions: UInt64 = 1 << 62

    var isOfBackend: Bool { number > Self.firstOfBackends }
    var isOfCableSession: Bool { number > Self.firstOfCableSessions && number < Self.firstOfBackends }
}

/// The number of a cable, stable across reloads. It is reused only after the last client has left and when no request
/// refers to it.
struct CableID: Hashable, Sendable {
    private let number: UInt16

    init(index: Int) { number = UInt16(index) }

    var index: Int { Int(number) }
}

/// The number of a configured command, stable across reloads. It is reused only after its last run has been forgotten
/// and when no request refers to it.
struct CommandID: Hashable, Sendable {
    private let number: UInt16

    init(index: Int) { number = UInt16(index) }

    var index: Int { Int(number) }
}

/// A process ID; valid until it is reaped, which only the parent can rely on.
struct ProcessID: Hashable, Sendable {
    let number: Int32
    /// The number of the launch that it leads; 0 for a process that the daemon did not start. A process tree outlives
    /// its leader, whose process ID may then be reused.
    let launch: UInt64

    init(number: Int32, launch: UInt64 = 0) {
        self.number = number
        self.launch = launch
    }
}
