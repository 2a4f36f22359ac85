/// Copies bytes out of spans, which arrays cannot take directly.
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

    /// Grows at least by half, so that many small appends stay linear.
    private mutating func reserveCapacity(growingTo needed: Int) {
        if needed > capacity { reserveCapacity(Swift.max(needed, capacity + capacity / 2)) }
    }
}
