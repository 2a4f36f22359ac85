/// Counts of a closed set of events since the daemon's start.
struct Counters<Kind: CaseIterable & Equatable & RawRepresentable<String>>: Equatable {
    private var counts = Array(repeating: 0, count: Kind.allCases.count)

    subscript(kind: Kind) -> Int {
        get { counts[Self.position(of: kind)] }
        set { counts[Self.position(of: kind)] = newValue }
    }

    /// All counts in the order of declaration, including zeros.
    var all: [Snapshot.Count] { zip(Kind.allCases, counts).map { .init(name: $0.rawValue, count: $1) } }

    private static func position(of kind: Kind) -> Int {
        for (position, other) in Kind.allCases.enumerated() where other == kind { return position }
        preconditionFailure("\(kind) is not in allCases")
    }
}
