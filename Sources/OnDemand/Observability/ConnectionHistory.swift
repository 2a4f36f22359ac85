/// The most connections at a time in each step of the last 24 hours; like `StateHistory` written by changes alone.
struct ConnectionHistory: Equatable, Sendable {
    /// What a person can see of a day.
    static let stepSeconds: Int64 = 300
    static let steps = Int(StateHistory.seconds / stepSeconds)

    /// The oldest first; empty until somebody connects, and then always of a day.
    private(set) var peaks: [UInt32] = []
    /// The number of the last step, counted from 1970.
    private(set) var latest: Int64 = 0
    private var connected: UInt32 = 0

    /// The number of requests and tunnels in progress may have changed.
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

    /// As it is to be told now.
    func completed(at now: Int64) -> ConnectionHistory {
        guard !peaks.isEmpty else { return self }
        var day = self
        day.advance(to: now / Self.stepSeconds)
        return day
    }

    /// Nobody of then is still connected.
    static func restored(_ peaks: [UInt32], latest: Int64, at now: Int64) -> ConnectionHistory {
        ConnectionHistory(peaks: peaks, latest: latest).completed(at: now)
    }

    /// Who was connected before a step without a change is still connected in it. A clock that was set back moves the
    /// whole day with it.
    private mutating func advance(to number: Int64) {
        let missed = number - latest
        latest = number
        guard missed > 0 else { return }
        let count = Int(min(missed, Int64(Self.steps)))
        peaks.removeFirst(count)
        peaks.append(contentsOf: repeatElement(connected, count: count))
    }
}
