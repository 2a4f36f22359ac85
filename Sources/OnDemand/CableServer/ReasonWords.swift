/// Reasons of cables as words of metrics and of the API.
extension RejectionReason {
    var word: String {
        switch self {
        case .malformedIdentifier: "malformed_identifier"
        case .notPublic: "not_public"
        case .invalidSignature: "invalid_signature"
        case .unknownChannel: "unknown_channel"
        case .tooManySubscriptions: "too_many_subscriptions"
        case .identifierTooLong: "identifier_too_long"
        }
    }
}

extension IgnoredReason {
    var word: String {
        switch self {
        case .malformed: "malformed"
        case .unknownCommand: "unknown_command"
        case .noIdentifier: "no_identifier"
        case .notSubscribed: "not_subscribed"
        case .alreadyPending: "already_pending"
        case .actionOnStream: "action_on_stream"
        case .binary: "binary"
        case .notAllowed: "not_allowed"
        case .tooMany: "too_many"
        case .pong: "pong"
        }
    }
}
