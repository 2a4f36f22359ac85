/// Why a WebSocket ended, as the number in its close frame (RFC 6455, 7.4.1, and the registry of 11.7).
package struct CloseCode: Hashable, Sendable {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    /// The purpose of the connection is fulfilled.
    package static let normal = CloseCode(1000)
    /// An endpoint leaves: a server shuts down, a browser opens another page.
    package static let goingAway = CloseCode(1001)
    /// The peer broke the protocol.
    package static let protocolError = CloseCode(1002)
    /// Stands for a close frame without a code (7.1.5); never sent.
    package static let noStatus = CloseCode(1005)
    /// A message does not hold what its kind promises, as a text that is not UTF-8.
    package static let invalidPayload = CloseCode(1007)
    /// A message is larger than the receiver is willing to read.
    package static let messageTooBig = CloseCode(1009)
    /// The server met a condition it did not expect.
    package static let internalError = CloseCode(1011)
    /// The service restarts; coming back after a pause is welcome.
    package static let serviceRestart = CloseCode(1012)
    /// The service has too much to do; come back later.
    package static let tryAgainLater = CloseCode(1013)

    /// Sent for a condition that ends the connection, and not at the end of a conversation (7.1.7).
    package var failsConnection: Bool {
        self == .protocolError || self == .invalidPayload || self == .messageTooBig || self == .internalError
    }

    /// Whether a close frame may carry this number (7.4.2).
    ///
    /// 1004 has no meaning yet; 1005, 1006 and 1015 are what an endpoint tells itself; 1016 to 2999 await a standard.
    package var isValidOnTheWire: Bool {
        switch number {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

extension CloseCode: CustomStringConvertible {
    package var description: String { String(number) }
}
