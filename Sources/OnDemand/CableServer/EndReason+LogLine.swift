/// Ends of clients that an operator acts on, as lines of the log.
extension EndReason {
    /// nil: an ordinary end.
    var logLine: (word: String, code: CloseCode, detail: String?)? {
        switch self {
        case .tooSlow: ("too_slow", .tryAgainLater, nil)
        case .stalled: ("stalled", .tryAgainLater, nil)
        case .violation(let violation):
            (
                violation.closeCode == .messageTooBig ? "message_too_big" : "protocol_violation", violation.closeCode,
                violation.reason
            )
        case .clientClosed, .connectionLost, .silent, .serverRestart, .gap, .remote, .byBackend, .backendLost, .tooOld:
            nil
        }
    }
}
