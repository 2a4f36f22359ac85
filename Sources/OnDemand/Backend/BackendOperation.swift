/// An operator's instruction for one backend.
enum BackendOperation: String, CaseIterable, Sendable {
    /// Wake it without a client.
    case start
    /// Stop it with all its connections; the next request wakes it again.
    case stop
    /// Stop it and start it again at once; new requests are queued.
    case restart
    /// Start it and keep it awake.
    case pin
    case unpin
    /// Stop it and answer 503.
    case disable
    case enable

    /// Whether the backend runs when the operation is done.
    var wantsIt: Bool {
        switch self {
        case .start, .restart, .pin: true
        case .stop, .unpin, .enable, .disable: false
        }
    }
}

extension BackendOperation {
    /// Whether a process that runs is stopped.
    var endsIt: Bool {
        switch self {
        case .stop, .disable: true
        case .start, .restart, .pin, .unpin, .enable: false
        }
    }

    /// The refusal of queued requests after this operation.
    var refusal: Refusal { self == .disable ? .disabled : .stopped }
}
