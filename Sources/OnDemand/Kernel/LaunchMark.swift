/// The mark that every process of a launch inherits: the daemon and the number of the launch.
///
/// It is written twice. The environment holds the full mark as text. The soft limit of file locks (RLIMIT_LOCKS, not
/// enforced since Linux 2.4.25) holds a short form. A process keeps that limit when it changes its user, clears its
/// environment or overwrites it with a title, and every user can read it in /proc/PID/limits.
struct LaunchMark: Equatable {
    /// The pid namespace of `daemon`: the inode of /proc/PID/ns/pid. nil: unreadable.
    let namespace: UInt64?
    let daemon: Int32
    /// Start time of the daemon in clock ticks since boot (proc(5), starttime).
    let start: UInt64
    let launch: UInt64

    static let variable = "ONDEMANDD_SUPERVISOR"

    /// `namespace:pid:start:launch`.
    var text: String { "\(namespace ?? 0):\(daemon):\(start):\(launch)" }

    /// As a limit: bit 62, then 22 bits of the pid (the kernel's maximum), 20 of the start time and 20 of the launch.
    var limit: UInt64 {
        1 << 62 | UInt64(UInt32(bitPattern: daemon) & 0x3f_ffff) << 40 | (start & Self.lowBits) << 20
            | (launch & Self.lowBits)
    }

    static let lowBits: UInt64 = 0xf_ffff
}

extension LaunchMark {
    /// nil: not written by a daemon of this version.
    init?(text: Substring) {
        let parts = text.split(separator: ":").map { UInt64($0) }
        guard parts.count == 4, let namespace = parts[0], let daemon = parts[1].flatMap({ Int32(exactly: $0) }),
            let start = parts[2], let launch = parts[3]
        else { return nil }
        self.init(namespace: namespace == 0 ? nil : namespace, daemon: daemon, start: start, launch: launch)
    }
}

/// The short form of a mark, from a limit.
struct ShortMark: Equatable {
    let daemon: Int32
    let start: UInt64
    let launch: UInt64

    /// nil: not a mark.
    init?(limit: UInt64) {
        guard limit >> 62 == 1 else { return nil }
        daemon = Int32(limit >> 40 & 0x3f_ffff)
        start = limit >> 20 & LaunchMark.lowBits
        launch = limit & LaunchMark.lowBits
    }
}

extension ShortMark {
    private static let rowName = Array("Max file locks ".utf8)

    /// Parses /proc/PID/limits: the soft limit in the row of file locks. It works on bytes, because a starting daemon
    /// reads the limits of every process, and splitting text takes far longer.
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
