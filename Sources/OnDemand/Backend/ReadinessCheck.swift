/// The check that a backend must pass before clients are admitted.
enum ReadinessCheck: Equatable, Sendable {
    /// It accepts connections.
    case tcp
    /// It responds to a GET of this path.
    case http(path: String, status: ExpectedStatus)
    /// It switches to WebSocket on this path.
    case webSocket(path: String)
    /// It sends READY=1 (sd_notify(3)) and accepts connections.
    case notify
    /// It accepts the first connection from its inherited listening socket (sd_listen_fds(3)).
    case socket

    enum ExpectedStatus: Equatable, Sendable {
        /// Any response: Action Cable's to a GET is a healthy 404.
        case any
        case success
        case exactly(Int)

        func accepts(_ status: Int) -> Bool {
            switch self {
            case .any: true
            case .success: (200...299).contains(status)
            case .exactly(let expected): status == expected
            }
        }
    }

    /// Describes the check as an infinitive clause; `address` is nil without one.
    func requirement(at address: String?) -> String {
        let place = address.map { " on \($0)" } ?? ""
        return switch self {
        case .tcp: "accept connections\(place)"
        case .http(let path, .any): "answer a GET of \(path)\(place)"
        case .http(let path, .success): "answer a GET of \(path)\(place) with a status of 2xx"
        case .http(let path, .exactly(let status)): "answer a GET of \(path)\(place) with \(status)"
        case .webSocket(let path): "open a WebSocket at \(path)\(place)"
        case .notify: address == nil ? "send READY=1" : "send READY=1 and accept connections\(place)"
        case .socket: "accept a connection on its inherited socket\(address.map { ", \($0)" } ?? "")"
        }
    }
}

extension ReadinessCheck {
    /// Whether an accepted connection is not proof enough.
    var needsConversation: Bool {
        switch self {
        case .tcp, .notify, .socket: false
        case .http, .webSocket: true
        }
    }
}
