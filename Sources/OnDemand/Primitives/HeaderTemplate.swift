/// A field to set on forwarded requests, with unexpanded variables.
struct HeaderTemplate: Equatable, Sendable {
    enum Part: Equatable, Sendable {
        case literal(String)
        case remoteAddress, scheme, host
    }

    let name: String
    let parts: [Part]

    func value(remoteAddress: String, scheme: String, host: String) -> String {
        parts.map { part in
            switch part {
            case .literal(let text): text
            case .remoteAddress: remoteAddress
            case .scheme: scheme
            case .host: host
            }
        }.joined()
    }
}
