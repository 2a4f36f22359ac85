/// First in, first out, in an array: taking the first element moves no other one, and its room is given back later.
struct Queue<Element> {
    private var elements: [Element] = []
    /// So many elements are taken.
    private var taken = 0

    init(_ elements: [Element] = []) { self.elements = elements }

    var count: Int { elements.count - taken }
    var isEmpty: Bool { taken == elements.count }
    /// In order.
    var all: ArraySlice<Element> { elements[taken...] }
    var first: Element? { isEmpty ? nil : elements[taken] }
    var last: Element? { elements.last }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Changes the last element, which must exist.
    mutating func changeLast(_ change: (inout Element) -> Void) {
        precondition(!isEmpty, "the last element of an empty queue")
        change(&elements[elements.count - 1])
    }

    @discardableResult
    mutating func removeFirst() -> Element {
        precondition(!isEmpty, "the first element of an empty queue")
        let element = elements[taken]
        taken += 1
        if isEmpty {
            (elements, taken) = ([], 0)
        } else if taken > 32, taken > elements.count / 2 {
            elements.removeSubrange(..<taken)
            taken = 0
        }
        return element
    }
}

extension Queue: Equatable where Element: Equatable {
    static func == (left: Self, right: Self) -> Bool { left.all == right.all }
}
