@testable import OnDemand

/// Draws from a seed in the units of a simulation.
extension Seeded {
    /// True in `percent` of a hundred cases; a disabled fault consumes no random number.
    mutating func chance(_ percent: Int) -> Bool { percent > 0 && below(100) < percent }

    /// 0 up to, not including, `bound`.
    mutating func below(_ bound: Int) -> Int { Int(next() >> 1) % bound }

    mutating func number(in range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    mutating func duration(_ range: ClosedRange<Duration>) -> Duration {
        let (lower, upper) = (range.lowerBound.wholeNanoseconds, range.upperBound.wholeNanoseconds)
        return .nanoseconds(lower + Int64(below(Int(upper - lower) + 1)))
    }

    mutating func one<Element>(of choices: [Element]) -> Element { choices[below(choices.count)] }
}
