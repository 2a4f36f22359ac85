/// Bytes that a client's socket did not take, for the few clients that have any.
///
/// A queue holds references to frames that all recipients share; the first of them may be sent in part. Frames are
/// whole, so that a boundary between two frames can always be found.
///
/// Limits and their responses: more than `maximumBytes` in a queue, or no progress for the send timeout, make a client
/// *too slow*. `end` then keeps the frame that is sent in part, drops everything behind it and appends last words: the
/// client is told, and the connection ends.
///
/// Example: `send` takes 100 of 130 bytes. `append` queues the frame from offset 100. The socket becomes writable,
/// `drain` sends 30 bytes and the queue is gone.
///
/// Cost: 4 bytes for each client, and an allocation for each client with unsent bytes.
struct OutputQueues {
    private struct Queue {
        var frames: [[UInt8]] = []
        /// Of `frames`, so many are sent.
        var first = 0
        /// Of `frames[first]`, so many bytes are sent.
        var offset = 0
        /// `frames[first]` begins with so many bytes of an HTTP response, which are no frames.
        var headBytes = 0
        var byteCount = 0
        var client: UInt32 = 0
        /// When the socket took something, or when the queue was made.
        var progress = Instant(nanoseconds: 0)
    }

    /// What became of an attempt to send.
    enum SendResult: Equatable {
        /// So many bytes; fewer than there were when the socket is full.
        case taken(Int)
        case failed
    }

    enum Drained: Equatable {
        /// Everything is sent.
        case empty
        case waiting
        case failed
    }

    private var queues = Pool(empty: Queue())
    /// For each client the number of its queue, plus one; zero without a queue.
    private var places: [UInt32] = []
    /// No client is too slow before: progress moves the true time only later.
    private var earliestProgress: Instant?

    /// Clients with unsent bytes.
    var count: Int { queues.count }

    /// The longest queue in bytes.
    var longest: Int {
        var longest = 0
        for place in places where place != 0 { longest = max(longest, queues[place - 1].byteCount) }
        return longest
    }

    @inline(__always)
    func isEmpty(_ client: UInt32) -> Bool { client >= places.count || places[Int(client)] == 0 }

    func byteCount(_ client: UInt32) -> Int { isEmpty(client) ? 0 : queues[places[Int(client)] - 1].byteCount }

    /// Queues `frames` from `offset` on; false when the client is too slow, which `end` answers. The first buffer of a
    /// client may begin with the HTTP response that accepts it.
    mutating func append(
        _ frames: [UInt8], from offset: Int = 0, headBytes: Int = 0, to client: UInt32, at now: Instant,
        maximumBytes: Int
    ) -> Bool {
        precondition(offset < frames.count, "nothing to queue")
        while places.count <= Int(client) { places.append(0) }
        if places[Int(client)] == 0 {
            let queue = Queue(offset: offset, headBytes: headBytes, client: client, progress: now)
            places[Int(client)] = queues.insert(queue) + 1
            earliestProgress = earliestProgress.map { min($0, now) } ?? now
        } else {
            precondition(offset == 0 && headBytes == 0, "something was sent in front of the frames that wait")
        }
        let queue = places[Int(client)] - 1
        queues[queue].frames.append(frames)
        queues[queue].byteCount += frames.count - offset
        return queues[queue].byteCount <= maximumBytes
    }

    /// Sends what the socket takes.
    mutating func drain(
        _ client: UInt32, at now: Instant, _ send: ([UInt8], Int) -> SendResult
    ) -> Drained {
        guard !isEmpty(client) else { return .empty }
        let queue = places[Int(client)] - 1
        while queues[queue].first < queues[queue].frames.count {
            let frames = queues[queue].frames[queues[queue].first]
            guard case .taken(let count) = send(frames, queues[queue].offset) else { return .failed }
            guard count > 0 else { return .waiting }
            queues[queue].progress = now
            queues[queue].byteCount -= count
            queues[queue].offset += count
            guard queues[queue].offset == frames.count else { return .waiting }
            forgetFirst(of: queue)
        }
        remove(client)
        return .empty
    }

    private mutating func forgetFirst(of queue: UInt32) {
        queues[queue].frames[queues[queue].first] = []
        queues[queue].first += 1
        queues[queue].offset = 0
        queues[queue].headBytes = 0
        guard queues[queue].first > 32, queues[queue].first > queues[queue].frames.count / 2 else { return }
        queues[queue].frames.removeSubrange(..<queues[queue].first)
        queues[queue].first = 0
    }

    /// Leaves only the rest of a frame that is sent in part, and `closingFrames` behind it.
    mutating func end(_ client: UInt32, with closingFrames: [UInt8], at now: Instant) {
        var rest: [UInt8] = []
        if !isEmpty(client) {
            let queue = places[Int(client)] - 1
            let frames = queues[queue].frames[queues[queue].first]
            let offset = queues[queue].offset
            let boundary = MessageWriter.boundary(in: frames, from: queues[queue].headBytes, atOrAfter: offset)
            rest = Array(frames[offset..<boundary])
            remove(client)
        }
        guard !rest.isEmpty || !closingFrames.isEmpty else { return }
        _ = append(rest + closingFrames, to: client, at: now, maximumBytes: .max)
    }

    mutating func remove(_ client: UInt32) {
        guard !isEmpty(client) else { return }
        queues.remove(places[Int(client)] - 1)
        places[Int(client)] = 0
        if queues.count == 0 {
            places = []
            earliestProgress = nil
        }
    }

    /// No client is stalled before this time; nil while no client has unsent bytes.
    func nextStall(after timeout: Duration) -> Instant? { earliestProgress.map { $0 + timeout } }

    /// The clients whose socket has taken nothing for `timeout`, by number.
    mutating func stalled(for timeout: Duration, at now: Instant) -> [UInt32] {
        guard let next = nextStall(after: timeout), next <= now else { return [] }
        var stalled: [UInt32] = []
        var earliest: Instant?
        for place in places where place != 0 {
            let queue = queues[place - 1]
            if queue.progress + timeout <= now {
                stalled.append(queue.client)
            } else {
                earliest = earliest.map { min($0, queue.progress) } ?? queue.progress
            }
        }
        earliestProgress = earliest ?? (queues.count == 0 ? nil : now)
        return stalled
    }
}
