/// Read buffers shared by all connections. Bytes that the sink accepts at once are stored nowhere else.
struct ReadBuffers {
    /// For nearly every read.
    var ordinary = Array(repeating: UInt8(0), count: Limits.readBufferBytes)
    /// For bulk transfers. Empty until the first.
    private var large: [UInt8] = []

    /// The buffer for a read of at most `room` bytes.
    subscript(room room: Int) -> [UInt8] {
        _read { yield room <= Limits.readBufferBytes ? ordinary : large }
        _modify {
            if room <= Limits.readBufferBytes {
                yield &ordinary
            } else {
                if large.isEmpty { large = Array(repeating: 0, count: Limits.largeReadBytes) }
                yield &large
            }
        }
    }

    /// Frees the large buffer.
    mutating func trim() { large = [] }
}

extension TunnelRelay {
    /// The buffer of ordinary reads, which the thread's HTTP sessions share.
    var readBuffer: [UInt8] {
        _read { yield table.buffers.ordinary }
        _modify { yield &table.buffers.ordinary }
    }
}
