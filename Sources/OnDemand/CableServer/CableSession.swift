/// One client's WebSocket as the cable server keeps it: the socket, and the client's number in its cable.
///
/// Stages: *open*, from the 101 to the cable's last frame; *closing*, while the last frames are unsent, for at most
/// `Limits.closeTimeout`; *discarding*, after the server has ended its side, until the client ends its own (RFC 6455,
/// 7.1.1). `CableServer.close` is the only way out.
struct CableSession {
    enum Stage: Equatable {
        case open(client: UInt32)
        /// Bytes read and dropped so far, in KiB, each read counted as one at least.
        case closing(client: UInt32, kibibytes: UInt16)
        case discarding(client: UInt32, kibibytes: UInt16)
        /// A client without a number: it was refused after its 101.
        case refused(kibibytes: UInt16)
    }

    let descriptor: Descriptor
    /// Of the slot, for tokens.
    var generation: UInt32 = 0
    let cable: CableID
    var readiness: Readiness = []
    var stage: Stage
    let admission: Admission
    /// The client's address for the log, as a trusted proxy has announced it.
    let address: String
    /// The client's way to the backend; nil for a client that the cable serves alone.
    var relay: Relay?
    /// The backend reads too slowly: the client is not read meanwhile.
    var isPaused = false
    /// The session's timer ends the open client for this reason; nil while it stays.
    var departure: Departure?

    enum Departure: UInt8 {
        case backendLost, tooOld

        var reason: EndReason { self == .backendLost ? .backendLost : .tooOld }
    }

    static var empty: CableSession {
        CableSession(
            descriptor: Descriptor(raw: -1), cable: CableID(index: 0), stage: .refused(kibibytes: 0),
            admission: .none, address: "")
    }

    /// The client's number in its cable; nil for a refused client.
    var client: UInt32? {
        switch stage {
        case .open(let client), .closing(let client, _), .discarding(let client, _): client
        case .refused: nil
        }
    }
}

/// Sends frames to the sockets of sessions. A connection's name is its slot and its descriptor, so that a delivery
/// looks nothing up.
struct CableSessionWriter<K: Kernel>: ClientWriter {
    let kernel: K

    static func name(of index: Int, _ descriptor: Descriptor) -> UInt64 {
        UInt64(UInt32(index)) << 32 | UInt64(UInt32(bitPattern: descriptor.raw))
    }

    static func index(of connection: UInt64) -> Int { Int(connection >> 32) }

    @inline(__always)
    func send(_ frames: [UInt8], from offset: Int, to connection: UInt64) -> OutputQueues.SendResult {
        let descriptor = Descriptor(raw: Int32(truncatingIfNeeded: connection))
        return switch kernel.send(frames.span.extracting(offset..<frames.count), to: descriptor) {
        case .bytes(let count): .taken(count)
        case .wouldBlock: .taken(0)
        case .failed: .failed
        }
    }
}
