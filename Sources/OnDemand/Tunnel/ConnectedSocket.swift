/// One side of a connection: the socket of the client or of the upstream, and what is known of its readiness.
struct ConnectedSocket {
    let descriptor: Descriptor
    /// Distinguishes the successive upstreams of one connection. Tokens carry 24 bits of it.
    var number: UInt32 = 0
    var readiness: Readiness = []

    /// Stands where there is no socket. No token has its number.
    static var none: ConnectedSocket { ConnectedSocket(descriptor: Descriptor(raw: -1), number: .max) }

    /// A read returns bytes or the end of the stream.
    var hasSomething: Bool { readiness.contains(.readable) }

    /// Clears `readable` after a short read. After the peer's end the socket stays readable until the end is read.
    mutating func recordRead(_ count: Int, of room: Int) {
        if count < room, !readiness.contains(.peerEnded) { readiness.remove(.readable) }
    }

    /// Updates readiness after a write and returns the number of bytes written. nil: the connection is broken.
    mutating func note(_ result: WriteResult, of count: Int) -> Int? {
        switch result {
        case .bytes(let sent):
            if sent < count { readiness.remove(.writable) }
            return sent
        case .wouldBlock:
            readiness.remove(.writable)
            return 0
        case .failed:
            return nil
        }
    }

    mutating func learn(_ more: Readiness) {
        readiness.formUnion(more)
        // The next read returns an error or an end, after all bytes that precede it.
        if !more.isDisjoint(with: [.broken, .peerEnded]) { readiness.insert(.readable) }
        if more.contains(.broken) { readiness.insert(.writable) }
    }
}
