@testable import OnDemand

/// A slow frame decoder that has the whole stream before it: what the tracker must agree with (RFC 6455, 5.2).
struct ReferenceDecoder {
    struct Frame: Equatable {
        var offset: Int
        var opcode: FrameOpcode
        var isFinal: Bool
        var payload: [UInt8]
        var isWhole: Bool
    }

    var role: FrameTracker.Role
    var limit: UInt64?
    var extensions = false

    private(set) var frames: [Frame] = []
    private(set) var violation: FrameViolation?
    /// Where the offending frame begins.
    private(set) var violationOffset: Int?
    /// Bytes behind the last whole frame.
    private(set) var leftover = 0
    private var openMessage: UInt64?

    init(role: FrameTracker.Role, limit: UInt64? = nil, extensions: Bool = false) {
        self.role = role
        self.limit = limit
        self.extensions = extensions
    }

    mutating func decode(_ stream: [UInt8]) {
        var offset = 0
        while offset < stream.count {
            do throws(FrameViolation) {
                let size = try decodeFrame(stream, at: offset)
                guard let size, frames.last?.isWhole == true else {
                    leftover = stream.count - offset
                    return
                }
                offset += size
            } catch {
                violation = error
                violationOffset = offset
                return
            }
        }
    }

    /// The frame's size on the wire, or nil when its header is not complete.
    private mutating func decodeFrame(_ stream: [UInt8], at offset: Int) throws(FrameViolation) -> Int? {
        let bytes = Array(stream[offset...])  // Slow, and so every index below is the RFC's.
        let opcode = try firstByte(bytes[0])
        guard bytes.count >= 2 else { return nil }
        let masked = bytes[1] >= 128
        if role == .fromClient, !masked { throw .unmaskedFromClient }
        if role == .fromServer, masked { throw .maskedFromServer }
        let short = Int(bytes[1] % 128)
        if opcode.isControl, short > 125 { throw .longControlFrame }
        if opcode == .close, short == 1 { throw .closeBodyOfOneByte }

        let lengthBytes = short == 126 ? 2 : short == 127 ? 8 : 0
        let headerSize = 2 + lengthBytes + (masked ? 4 : 0)
        guard bytes.count >= headerSize else { return nil }
        let length = try payloadLength(short, Array(bytes[2..<2 + lengthBytes]))
        if !opcode.isControl { try count(length, isFinal: bytes[0] >= 128) }

        let key = masked ? Array(bytes[headerSize - 4..<headerSize]) : [0, 0, 0, 0]
        let present = Int(min(length, UInt64(bytes.count - headerSize)))
        let payload = bytes[headerSize..<headerSize + present].enumerated().map { $1 ^ key[$0 % 4] }
        let isWhole = UInt64(present) == length
        frames.append(
            Frame(offset: offset, opcode: opcode, isFinal: bytes[0] >= 128, payload: payload, isWhole: isWhole))
        return headerSize + present
    }

    private func firstByte(_ byte: UInt8) throws(FrameViolation) -> FrameOpcode {
        if byte / 16 % 8 != 0, !extensions { throw .reservedBits }
        guard let opcode = FrameOpcode.allCases.first(where: { $0.rawValue == byte % 16 }) else {
            throw .unknownOpcode
        }
        if opcode.isControl, byte < 128 { throw .fragmentedControlFrame }
        if opcode == .continuation, openMessage == nil { throw .continuationWithoutStart }
        if [.text, .binary].contains(opcode), openMessage != nil { throw .startInsideMessage }
        return opcode
    }

    private func payloadLength(_ short: Int, _ extended: [UInt8]) throws(FrameViolation) -> UInt64 {
        if extended.isEmpty { return UInt64(short) }
        let length = extended.reduce(UInt64(0)) { $0 * 256 + UInt64($1) }
        if extended.count == 8, length > UInt64(Int64.max) { throw .lengthOutOfRange }
        if extended.count == 2, length < 126 { throw .lengthNotMinimal }
        if extended.count == 8, length < 65536 { throw .lengthNotMinimal }
        return length
    }

    private mutating func count(_ length: UInt64, isFinal: Bool) throws(FrameViolation) {
        let total = (openMessage ?? 0) + length
        if let limit, total > limit { throw .messageTooBig }
        openMessage = isFinal ? nil : total
    }

    var summary: FrameSummary {
        var summary = FrameSummary()
        for frame in frames {
            summary.frames += 1
            summary.dataFrames += frame.opcode.isControl ? 0 : 1
            summary.pings += frame.opcode == .ping ? 1 : 0
            summary.pongs += frame.opcode == .pong ? 1 : 0
            summary.messages += !frame.opcode.isControl && frame.isFinal && frame.isWhole ? 1 : 0
            guard frame.opcode == .close, summary.closeCode == nil else { continue }
            if frame.payload.count >= 2 {
                summary.closeCode = CloseCode(UInt16(frame.payload[0]) * 256 + UInt16(frame.payload[1]))
            } else if frame.isWhole {
                summary.closeCode = .noStatus
            }
        }
        return summary
    }
}
