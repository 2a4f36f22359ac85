/// Copies bytes out of spans in one piece, which needs their address: byte by byte a copy costs ten times as much.
extension [UInt8] {
    init(copying span: Span<UInt8>) { self = unsafe span.withUnsafeBufferPointer { unsafe Array($0) } }

    mutating func append(copying span: Span<UInt8>) {
        unsafe span.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
