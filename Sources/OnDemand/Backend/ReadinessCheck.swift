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

    /// What a backend has to do until it is ready, at the address that it is to be reached at, if it has one.
    func requirement(at address: String?) -> String {
        let place = address.map { " on \($0)" } ?? ""
        return switch self {
        case .tcp: "accept connections\(place)"
        case .http(let path, .any): "answer a GET of \(path)\(place)"
        case .http(let path, .success): "answer a GET of \(path)\(place) with a status of 2xx"
        case .http(let path, .exactly(let status)): "answer a GET of \(path)\(place) with \(status)"
        case .webSocket(let path): "open a WebSocket at \(path)\(place)"
        case .notify: address == nil ? "say READY=1" : "say READY=1 and accept connections\(place)"
        case .socket: "take a connection from the socket that it is given\(address.map { ", \($0)" } ?? "")"
        }
    }
}
