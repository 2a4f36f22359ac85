/// The fields that the daemon acts upon.
///
/// A name is recognised once, when its line is parsed; later comparisons cost one byte.
enum FieldName: UInt8, CaseIterable, Sendable {
    /// Any other name.
    case other
    case accept, authorization, close, connection, contentLength, contentType, expect, forwarded, host, http2Settings
    case keepAlive, origin, proxy, proxyConnection, secWebSocketAccept, secWebSocketExtensions, secWebSocketKey
    case secWebSocketProtocol, secWebSocketVersion, te, trailer, transferEncoding, upgrade, userAgent, via
    case xForwardedFor, xForwardedHost, xForwardedProto, xRequestID

    /// Returns the name that a CGI-like gateway reads: case and `_` for `-` are ignored.
    init(resembledBy name: ByteRange, in bytes: Span<UInt8>) {
        let candidate = Self.candidate(name.count, HTTPByte.lowercased(bytes[name.lower]))
        self = candidate != .other && Self.resembles(candidate, name, in: bytes) ? candidate : .other
    }

    private static func resembles(_ candidate: Self, _ name: ByteRange, in bytes: Span<UInt8>) -> Bool {
        let spelling = spellings[Int(candidate.rawValue)]
        return bytes.resembles(spelling.span, in: name)
    }

    /// Bytes, because comparing them costs half of comparing strings.
    private static let spellings = allCases.map { Array($0.text.utf8) }

    /// Returns the name, ignoring case.
    init(_ name: ByteRange, in bytes: Span<UInt8>) {
        let resembled = Self(resembledBy: name, in: bytes)
        self = bytes.firstIndex(of: HTTPByte.underscore, in: name) == nil ? resembled : .other
    }

    /// Returns the only candidate: no two names share length and first letter.
    private static func candidate(_ count: Int, _ first: UInt8) -> Self {
        switch (count, Unicode.Scalar(first)) {
        case (2, "t"): .te
        case (3, "v"): .via
        case (4, "h"): .host
        case (5, "c"): .close
        case (5, "p"): .proxy
        case (6, "a"): .accept
        case (6, "e"): .expect
        case (6, "o"): .origin
        case (7, "t"): .trailer
        case (7, "u"): .upgrade
        case (9, "f"): .forwarded
        case (10, "c"): .connection
        case (10, "k"): .keepAlive
        case (10, "u"): .userAgent
        case (12, "c"): .contentType
        case (12, "x"): .xRequestID
        case (13, "a"): .authorization
        case (14, "c"): .contentLength
        case (14, "h"): .http2Settings
        case (15, "x"): .xForwardedFor
        case (16, "p"): .proxyConnection
        case (16, "x"): .xForwardedHost
        case (17, "s"): .secWebSocketKey
        case (17, "t"): .transferEncoding
        case (17, "x"): .xForwardedProto
        case (20, "s"): .secWebSocketAccept
        case (21, "s"): .secWebSocketVersion
        case (22, "s"): .secWebSocketProtocol
        case (24, "s"): .secWebSocketExtensions
        default: .other
        }
    }

    /// Appends the name with capitalized words.
    func write(to output: inout [UInt8]) { output += Self.headlines[Int(rawValue)] }

    private static let headlines = spellings.map { spelling in
        spelling.indices.map { index in
            let beginsWord = index == 0 || spelling[index - 1] == UInt8(ascii: "-")
            return beginsWord && HTTPByte.isLetter(spelling[index]) ? spelling[index] & ~0x20 : spelling[index]
        }
    }

    /// The name in lower case, for comparisons.
    var text: String {
        switch self {
        case .other: ""
        case .accept: "accept"
        case .authorization: "authorization"
        case .close: "close"
        case .connection: "connection"
        case .contentLength: "content-length"
        case .contentType: "content-type"
        case .expect: "expect"
        case .forwarded: "forwarded"
        case .host: "host"
        case .http2Settings: "http2-settings"
        case .keepAlive: "keep-alive"
        case .origin: "origin"
        case .proxy: "proxy"
        case .proxyConnection: "proxy-connection"
        case .secWebSocketAccept: "sec-websocket-accept"
        case .secWebSocketExtensions: "sec-websocket-extensions"
        case .secWebSocketKey: "sec-websocket-key"
        case .secWebSocketProtocol: "sec-websocket-protocol"
        case .secWebSocketVersion: "sec-websocket-version"
        case .te: "te"
        case .trailer: "trailer"
        case .transferEncoding: "transfer-encoding"
        case .upgrade: "upgrade"
        case .userAgent: "user-agent"
        case .via: "via"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedProto: "x-forwarded-proto"
        case .xRequestID: "x-request-id"
        }
    }
}
