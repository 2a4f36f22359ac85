/// The status code of a close frame (RFC 6455, 7.4.1, and the registry of 11.7).
package struct CloseCode: Hashable, Sendable {
    package let number: UInt16

    package init(_ number: UInt16) { self.number = number }

    /// The purpose of the connection is fulfilled.
    package static let normal = CloseCode(1000)
    /// An endpoint goes away: a server shuts down, a browser opens another page.
    package static let goingAway = CloseCode(1001)
    /// The peer violated the protocol.
    package static let protocolError = CloseCode(1002)
    /// Stands for a close frame without a code (7.1.5); never sent.
    package static let noStatus = CloseCode(1005)
    /// A message is inconsistent with its type, such as text that is not UTF-8.
    package static let invalidPayload = CloseCode(1007)
    /// A message is larger than the receiver accepts.
    package static let messageTooBig = CloseCode(1009)
    /// The server met an unexpected condition.
    package static let internalError = CloseCode(1011)
    /// The service restarts; clients may reconnect after a pause.
    package static let serviceRestart = CloseCode(1012)
    /// The service is overloaded; clients should reconnect later.
    package static let tryAgainLater = CloseCode(1013)

    /// Whether it is sent to fail the connection, not to end it normally (7.1.7).
    package var failsConnection: Bool {
        self == .protocolError || self == .invalidPayload || self == .messageTooBig || self == .internalError
    }

    /// Whether a close frame may contain this code (7.4.2).
    ///
    /// 1004 is undefined; 1005, 1006 and 1015 are for local use only; 1016 to 2999 are reserved.
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
