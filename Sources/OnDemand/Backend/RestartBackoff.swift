/// Exponential backoff between restarts, with a cap and jitter.
struct RestartBackoff: Equatable, Sendable {
    var first: Duration = .seconds(1)
    var longest: Duration = .seconds(60)

    /// Returns the delay. `failures` counts from 1; `jitter` in 0..<1 subtracts up to 20 %, so that several backends do
    /// not restart at the same time.
    func delay(afterFailures failures: Int, jitter: Double) -> Duration {
        precondition(failures > 0 && (0..<1).contains(jitter), "invalid failure count or jitter")
        let doublings = min(failures - 1, 20)
        let full = min(first * (1 << doublings), longest)
        return full * (1 - jitter / 5)
    }
}
