/// Values that leave in the order in which they came. Taking the first one costs the same however many wait, which it
/// does not with an array.
struct ArrivalQueue<Element> {
    private var elements: [Element?] = []
    /// Of `elements`, so many have left.
    private var taken = 0

    var isEmpty: Bool { taken == elements.count }
    var count: Int { elements.count - taken }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard !isEmpty else { return nil }
        let first = elements[taken]
        elements[taken] = nil
        taken += 1
        if isEmpty {
            removeAll()
        } else if taken > 64, taken > elements.count / 2 {
            elements.removeSubrange(..<taken)
            taken = 0
        }
        return first
    }

    mutating func removeAll() {
        elements = []
        taken = 0
    }

    /// Returns all of them, in order, and keeps none.
    mutating func takeAll() -> [Element] {
        defer { removeAll() }
        return elements[taken...].compactMap { $0 }
    }
}
