// Copies of arrays: in storage of their own size, and out of spans.

extension Array {
    /// A copy in storage of its own size, for what lives long. `Array(array[...])` would share the storage.
    var withoutSpareCapacity: [Element] {
        var copy: [Element] = []
        copy.reserveCapacity(count)
        copy.append(contentsOf: self)
        return copy
    }
}

/// Copies bytes out of spans.
extension [UInt8] {
    init(copying span: Span<UInt8>) {
        self.init(capacity: span.count) { output in
            for index in span.indices { output.append(span[index]) }
        }
    }

    mutating func append(copying span: Span<UInt8>) {
        reserveCapacity(growingTo: count + span.count)
        for index in span.indices { append(span[index]) }
    }

    /// Grows by at least half, so that many small appends take linear time.
    private mutating func reserveCapacity(growingTo needed: Int) {
        if needed > capacity { reserveCapacity(Swift.max(needed, capacity + capacity / 2)) }
    }
}
