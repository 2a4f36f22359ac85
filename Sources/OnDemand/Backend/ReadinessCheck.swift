/// What a backend has to show before clients are let in.
enum ReadinessCheck: Equatable, Sendable {
    /// It accepts connections.
    case tcp
    /// It answers a GET of this path.
    case http(path: String, status: ExpectedStatus)
    /// It switches to WebSocket on this path.
    case webSocket(path: String)
    /// It says READY=1 (sd_notify(3)), and accepts connections.
    case notify
    /// It takes the first connection from the listening socket that it inherits (sd_listen_fds(3)).
    case socket

    enum ExpectedStatus: Equatable, Sendable {
        /// An answer is an answer: Action Cable's to a GET is a healthy 404.
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

    /// What a backend that is not ready did not do, for the log.
    func requirement(at address: String) -> String {
        switch self {
        case .tcp: "accept connections on \(address)"
        case .http(let path, _): "answer GET \(path) as expected on \(address)"
        case .webSocket(let path): "open a WebSocket for \(path) on \(address)"
        case .notify: "say READY=1 and accept connections on \(address)"
        case .socket: "take a connection from the socket that it inherited, \(address)"
        }
    }
}
