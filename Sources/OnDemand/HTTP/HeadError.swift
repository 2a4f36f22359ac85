/// Why a head is rejected: an error of the peer, or bytes that two parsers could read differently.
///
/// Positions are offsets from the first byte of the head. For a backend's head only the case and the reason count; its
/// client gets 502.
enum HeadError: Error, Equatable {
    // Lines (RFC 9112, 2.2) and fields (RFC 9112, 5).
    case bareLineFeed(at: Int)
    case bareCarriageReturn(at: Int)
    case controlCharacter(at: Int)
    case obsoleteFolding(at: Int)
    case missingColon(at: Int)
    case emptyName(at: Int)
    case whitespaceInName(at: Int)
    case invalidName(at: Int)
    case headTooLarge, tooManyFields
    // Request and status lines (RFC 9112, 3 and 4).
    case emptyRequestLine, malformedRequestLine, unsupportedVersion
    case malformedVersion(at: Int)
    case methodTooLong, methodInWrongCase, connectRefused
    case invalidMethod(at: Int)
    case targetTooLong
    case spaceInTarget(at: Int)
    case fragmentInTarget(at: Int)
    case invalidTarget(at: Int)
    case asteriskMisplaced, authorityMisplaced, invalidAuthority
    case malformedStatusLine, invalidStatus
    // Host (RFC 9112, 3.2).
    case missingHost, severalHosts, invalidHost
    // WebSocket upgrades (RFC 6455, 4.2.1).
    case upgradeNotGet, upgradeKeyMissing, upgradeKeyInvalid, upgradeVersionMissing, upgradeVersionUnsupported
    case upgradeWithBody
}

extension HeadError {
    /// Status of the local reply.
    var status: Int {
        switch self {
        case .targetTooLong: 414
        case .upgradeVersionUnsupported: 426
        case .headTooLarge, .tooManyFields: 431
        case .methodTooLong, .methodInWrongCase, .connectRefused: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }

    /// One sentence for the client and the log.
    var reason: String {
        switch self {
        case .bareLineFeed(let offset): "A line ends without a carriage return at byte \(offset)."
        case .bareCarriageReturn(let offset): "A carriage return without a line feed stands at byte \(offset)."
        case .controlCharacter(let offset): "A control character stands at byte \(offset)."
        case .obsoleteFolding(let offset): "A header line begins with whitespace at byte \(offset)."
        case .missingColon(let offset): "A header line has no colon at byte \(offset)."
        case .emptyName(let offset): "A header field has no name at byte \(offset)."
        case .whitespaceInName(let offset): "A header field name contains whitespace at byte \(offset)."
        case .invalidName(let offset): "A header field name contains an invalid byte at byte \(offset)."
        case .headTooLarge: "The header is too large."
        case .tooManyFields: "The header has too many fields."
        case .malformedStatusLine: "The status line is malformed."
        case .invalidStatus: "The status code is not between 100 and 599."
        case .emptyRequestLine: "The request line is empty."
        case .malformedRequestLine: "The request line is not a method, a target and a version."
        case .malformedVersion(let offset): "The protocol version is malformed at byte \(offset)."
        case .unsupportedVersion: "Only HTTP/1.0 and HTTP/1.1 are supported."
        case .invalidMethod(let offset): "The method contains an invalid byte at byte \(offset)."
        case .methodTooLong: "The method is too long."
        case .methodInWrongCase: "The method must be written in capitals."
        case .connectRefused: "CONNECT is not supported."
        case .targetTooLong: "The request target is too long."
        case .spaceInTarget(let offset): "The request target contains whitespace at byte \(offset)."
        case .fragmentInTarget(let offset): "The request target contains a fragment at byte \(offset)."
        case .invalidTarget(let offset): "The request target contains an invalid byte at byte \(offset)."
        case .asteriskMisplaced: "The target * is for OPTIONS only."
        case .authorityMisplaced: "The request target is neither a path nor an http URI."
        case .invalidAuthority: "The request target names an invalid host."
        case .missingHost: "The Host field is missing."
        case .severalHosts: "There is more than one Host field."
        case .invalidHost: "The Host field is not a host and an optional port."
        case .upgradeNotGet: "A WebSocket upgrade must use GET."
        case .upgradeKeyMissing: "A WebSocket upgrade needs exactly one Sec-WebSocket-Key."
        case .upgradeKeyInvalid: "The Sec-WebSocket-Key is not 16 bytes in base64."
        case .upgradeVersionMissing: "A WebSocket upgrade needs exactly one Sec-WebSocket-Version."
        case .upgradeVersionUnsupported: "Only WebSocket version 13 is supported."
        case .upgradeWithBody: "A WebSocket upgrade must not have a body."
        }
    }
}
