/// The mark that every process of one launch inherits: the daemon that started it, and which of its launches it was.
///
/// It is written twice. The environment carries all of it as text. The soft limit of file locks (RLIMIT_LOCKS, which no
/// kernel since 2.4.25 enforces) carries a shorter form: a process keeps it when it changes its user, clears its
/// environment or writes its title over it, and /proc/PID/limits shows it to every user.
struct LaunchMark: Equatable {
    /// The pid namespace in which `daemon` is a number: the inode of /proc/PID/ns/pid. nil when it cannot be read.
    let namespace: UInt64?
    let daemon: Int32
    /// When the daemon began, in clock ticks since the system did (proc(5), starttime).
    let start: UInt64
    let launch: UInt64

    static let variable = "ONDEMANDD_SUPERVISOR"

    /// `namespace:pid:start:launch`.
    var text: String { "\(namespace ?? 0):\(daemon):\(start):\(launch)" }

    /// As a limit: bit 62, then 22 bits of the number (the most that a kernel gives), 20 of the start and 20 of the
    /// launch.
    var limit: UInt64 {
        1 << 62 | UInt64(UInt32(bitPattern: daemon) & 0x3f_ffff) << 40 | (start & Self.lowBits) << 20
            | (launch & Self.lowBits)
    }

    static let lowBits: UInt64 = 0xf_ffff
}

extension LaunchMark {
    /// nil for what no daemon of this version wrote.
    init?(text: Substring) {
        let parts = text.split(separator: ":").map { UInt64($0) }
        guard parts.count == 4, let namespace = parts[0], let daemon = parts[1].flatMap({ Int32(exactly: $0) }),
            let start = parts[2], let launch = parts[3]
        else { return nil }
        self.init(namespace: namespace == 0 ? nil : namespace, daemon: daemon, start: start, launch: launch)
    }
}

/// The short form of a mark, as a limit shows it.
struct ShortMark: Equatable {
    let daemon: Int32
    let start: UInt64
    let launch: UInt64

    /// nil for a limit that is no mark.
    init?(limit: UInt64) {
        guard limit >> 62 == 1 else { return nil }
        daemon = Int32(limit >> 40 & 0x3f_ffff)
        start = limit >> 20 & LaunchMark.lowBits
        launch = limit & LaunchMark.lowBits
    }
}

extension ShortMark {
    private static let rowName = Array("Max file locks ".utf8)

    /// From the contents of /proc/PID/limits: the soft limit in the row of file locks. As bytes, because a daemon that
    /// begins looks at every process of the system, and splitting text takes far longer.
    init?(limits: [UInt8]) {
        guard let behindName = Self.placeBehindName(in: limits),
            let start = limits[behindName...].firstIndex(where: { $0 != UInt8(ascii: " ") })
        else { return nil }
        let digits = limits[start...].prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") }
        guard let limit = UInt64(String(decoding: digits, as: UTF8.self)) else { return nil }
        self.init(limit: limit)
    }

    private static func placeBehindName(in limits: [UInt8]) -> Int? {
        var row = 0
        while row < limits.count {
            if limits[row...].starts(with: rowName) { return row + rowName.count }
            guard let end = limits[row...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            row = end + 1
        }
        return nil
    }
}
