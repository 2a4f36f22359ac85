/// Streams that the backend's clients stream from, and that the cable listens to before it has to deliver them.
struct ListenedStreams {
    struct Listened { var uses = 0, isLive = false }

    private(set) var streams: [[UInt8]: Listened] = [:]

    /// Returns whether this is the first use.
    mutating func add(_ stream: [UInt8], isLive: Bool) -> Bool {
        streams[stream, default: Listened()].uses += 1
        guard streams[stream]?.uses == 1 else { return false }
        streams[stream]?.isLive = isLive
        return true
    }

    /// Returns whether this was the last use.
    mutating func remove(_ stream: [UInt8]) -> Bool {
        guard let listened = streams[stream] else { return false }
        streams[stream]?.uses -= 1
        guard listened.uses == 1 else { return false }
        streams.removeValue(forKey: stream)
        streams.shrinkIfSparse()
        return true
    }

    mutating func set(_ stream: [UInt8], isLive: Bool) {
        if streams[stream] != nil { streams[stream]?.isLive = isLive }
    }

    mutating func sourceLost() {
        for stream in streams.keys { streams[stream]?.isLive = false }
    }

    func contains(_ stream: [UInt8]) -> Bool { streams[stream] != nil }
    func isLive(_ stream: [UInt8]) -> Bool { streams[stream]?.isLive ?? false }
}
