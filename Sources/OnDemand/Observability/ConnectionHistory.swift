/// The peak connections in each step of the last 24 hours; written on changes only.
struct ConnectionHistory: Equatable, Sendable {
    /// Length of a step in seconds.
    static let stepSeconds: Int64 = 300
    static let steps = Int(StateHistory.seconds / stepSeconds)

    /// Oldest first; empty before the first connection, then one value per step of a day.
    private(set) var peaks: [UInt32] = []
    /// Index of the last step since 1970.
    private(set) var latest: Int64 = 0
    private var connected: UInt32 = 0

    /// Records the number of requests and tunnels in progress.
    mutating func connected(_ count: Int, at now: Int64) {
        if peaks.isEmpty {
            guard count > 0 else { return }
            peaks = Array(repeating: 0, count: Self.steps)
            latest = now / Self.stepSeconds
        }
        advance(to: now / Self.stepSeconds)
        connected = UInt32(clamping: count)
        peaks[Self.steps - 1] = max(peaks[Self.steps - 1], connected)
    }

    /// Returns the history up to now.
    func completed(at now: Int64) -> ConnectionHistory {
        guard !peaks.isEmpty else { return self }
        var day = self
        day.advance(to: now / Self.stepSeconds)
        return day
    }

    /// Returns a history without open connections, after a restart of the daemon.
    static func restored(_ peaks: [UInt32], latest: Int64, at now: Int64) -> ConnectionHistory {
        ConnectionHistory(peaks: peaks, latest: latest).completed(at: now)
    }

    /// Advances to a step; steps without changes repeat the previous count. A clock that was set back moves the whole
    /// day with it.
    private mutating func advance(to number: Int64) {
        let missed = number - latest
        latest = number
        guard missed > 0 else { return }
        let count = Int(min(missed, Int64(Self.steps)))
        peaks.removeFirst(count)
        peaks.append(contentsOf: repeatElement(connected, count: count))
    }
}
