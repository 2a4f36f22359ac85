/// How long a backend that failed rests before the next attempt: doubling, capped, jittered, never for ever.
struct RestartBackoff: Equatable, Sendable {
    var first: Duration = .seconds(1)
    var longest: Duration = .seconds(60)

    /// `failures` counts from one; `jitter` in 0..<1 takes off up to a fifth, so that siblings do not march in step.
    func delay(afterFailures failures: Int, jitter: Double) -> Duration {
        precondition(failures > 0 && (0..<1).contains(jitter), "backoff asked for nonsense")
        let doublings = min(failures - 1, 20)
        let full = min(first * (1 << doublings), longest)
        return full * (1 - jitter / 5)
    }
}
