@testable import OnDemand

/// A PROXY header says the same however it arrives and whatever follows it, and its client once it is written again.
enum ProxyHeaderProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let whole = verdict(of: cuts.bytes, endingAt: [cuts.bytes.count])
        let inPieces = verdict(of: cuts.bytes, endingAt: cuts.ends)
        try promise(whole == inPieces, "whole: \(whole), in pieces: \(inPieces)")
        guard case .success(let header?) = whole else { return }
        try promise(header.byteCount <= ProxyHeader.maximumBytes, "a header of \(header.byteCount) bytes passed")
        let alone = Array(cuts.bytes.prefix(header.byteCount))
        try promise(verdict(of: alone, endingAt: [alone.count]) == whole, "what follows it changes it: \(text(alone))")
        try promise(
            verdict(of: alone, endingAt: [alone.count - 1]) == .success(nil), "its last byte is not needed")
        for written in writings(of: header) {
            let again = verdict(of: written, endingAt: [written.count])
            guard case .success(let read?) = again else { throw Violation("\(written) reads as \(again)") }
            try promise(read.client == header.client, "\(written) reads as \(read), not as \(header)")
        }
    }

    private static func verdict(
        of bytes: [UInt8], endingAt ends: [Int]
    ) -> Result<ProxyHeader?, ProxyHeaderError> {
        do throws(ProxyHeaderError) {
            for end in ends {
                if let header = try ProxyHeader.examine(bytes.span.extracting(0..<end)) { return .success(header) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    /// The same client in both versions, to another address, without extensions.
    private static func writings(of header: ProxyHeader) -> [[UInt8]] {
        switch header.client {
        case .ipv4(let octets, let port):
            let address = octets.map { "\($0)" }.joined(separator: ".")
            return [
                Array("PROXY TCP4 \(address) 192.0.2.1 \(port) 443\r\n".utf8),
                block(0x11, octets + [192, 0, 2, 1] + bytes(of: port) + bytes(of: 443)),
            ]
        case .ipv6(let octets, let port):
            let groups = stride(from: 0, to: 16, by: 2).map { hexadecimal(octets[$0]) + hexadecimal(octets[$0 + 1]) }
            let other = Array(repeating: UInt8(0), count: 15) + [1]
            return [
                Array("PROXY TCP6 \(groups.joined(separator: ":")) ::1 \(port) 443\r\n".utf8),
                block(0x21, octets + other + bytes(of: port) + bytes(of: 443)),
            ]
        case .unix, nil:
            return []
        }
    }

    private static func block(_ family: UInt8, _ addresses: [UInt8]) -> [UInt8] {
        let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
        return signature + [0x21, family] + bytes(of: UInt16(addresses.count)) + addresses
    }

    private static func bytes(of number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return byte < 16 ? "0" + text : text
    }
}
