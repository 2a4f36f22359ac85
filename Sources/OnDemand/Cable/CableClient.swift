// One client of a cable: its connection, its protocol, and what its socket has not taken.

/// A client as its cable stores it. Subscriptions and unsent bytes are elsewhere, under the client's number.
struct CableClient {
    /// The driver's own name for the connection.
    let connection: UInt64
    var assembler = MessageAssembler()
    /// Random; part of the client's `sid`.
    let secret: SIDSecret
    /// Of the client's token, interned; `StreamTable.none` without.
    let identifiers: UInt32
    /// When the last frame arrived, in seconds.
    var heard: UInt32
    let cableProtocol: CableProtocol
    var isEnding = false
}

/// The part of a `sid` that cannot be guessed: 128 random bits.
struct SIDSecret: Equatable, Sendable {
    let high: UInt64
    let low: UInt64

    /// A `sid` has the client's number in front, so that it is found without a table.
    func appendSID(of client: UInt32, to text: inout [UInt8]) {
        Self.append(UInt64(client), digits: 8, to: &text)
        Self.append(high, digits: 16, to: &text)
        Self.append(low, digits: 16, to: &text)
    }

    static let sidBytes = 40

    /// Reads a `sid`; nil for another text.
    static func read(_ sid: [UInt8]) -> (client: UInt32, secret: SIDSecret)? {
        guard sid.count == sidBytes, let client = number(sid[..<8]), let high = number(sid[8..<24]),
            let low = number(sid[24...])
        else { return nil }
        return (UInt32(client), SIDSecret(high: high, low: low))
    }

    private static func append(_ number: UInt64, digits: Int, to text: inout [UInt8]) {
        for place in (0..<digits).reversed() {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(4 * place) & 0xf)
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }
}

/// The way to the sockets of a cable's clients.
protocol ClientWriter {
    /// Sends `frames` from `offset` on, at once or not at all.
    mutating func send(_ frames: [UInt8], from offset: Int, to connection: UInt64) -> OutputQueues.SendResult
}

/// All clients of a cable with their unsent bytes.
struct CableClients {
    var slots = Pool(
        empty: CableClient(
            connection: 0, secret: SIDSecret(high: 0, low: 0), identifiers: 0, heard: 0, cableProtocol: .actionCable))
    var queues = OutputQueues()
    /// Clients whose socket failed, and clients over their limit, since the last look.
    var failed: [UInt32] = []
    var tooSlow: [UInt32] = []

    /// Sends frames to a client; what the socket does not take is queued. Clients that are ending get nothing more.
    @inline(__always)
    mutating func send(
        _ frames: [UInt8], headBytes: Int = 0, to client: UInt32, at now: Instant, maximumBytes: Int,
        _ writer: inout some ClientWriter
    ) {
        guard !slots[client].isEnding else { return }
        var offset = 0
        if queues.isEmpty(client) {
            guard case .taken(let count) = writer.send(frames, from: 0, to: slots[client].connection) else {
                return failed.append(client)
            }
            guard count < frames.count else { return }
            offset = count
        }
        let isWithinLimit = queues.append(
            frames, from: offset, headBytes: headBytes, to: client, at: now, maximumBytes: maximumBytes)
        if !isWithinLimit {
            tooSlow.append(client)
        }
    }

    mutating func drain(_ client: UInt32, at now: Instant, _ writer: inout some ClientWriter) -> OutputQueues.Drained {
        let connection = slots[client].connection
        return queues.drain(client, at: now) { frames, offset in writer.send(frames, from: offset, to: connection) }
    }
}
