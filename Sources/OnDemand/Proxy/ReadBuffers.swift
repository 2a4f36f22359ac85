/// Where everything is read to first, whosever it is: what the other side takes at once is kept nowhere else.
struct ReadBuffers {
    /// For nearly every read.
    var ordinary = Array(repeating: UInt8(0), count: Limits.readBufferBytes)
    /// For a tunnel in full flow; empty until there is one.
    private var large: [UInt8] = []

    /// Where a read of at most so many bytes goes.
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

    /// Nobody is there any more who could be in full flow.
    mutating func giveBack() { large = [] }
}
