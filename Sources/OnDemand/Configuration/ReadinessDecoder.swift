/// Decodes `readiness`: a word, or an object with details.
struct ReadinessDecoder {
    let reader: ConfigurationReader

    enum Kind: String, CaseIterable {
        case tcp, http, websocket, notify, socket

        /// Whether the check requests a path.
        var asks: Bool { self == .http || self == .websocket }
    }

    func readiness(_ node: ConfigurationNode) -> ReadinessCheck? {
        if case .string = node.value.content { return reader.choice(node, of: Kind.self).map { check($0) } }
        guard case .object = node.value.content else {
            reader.reportType(of: node, expected: "a word such as \"tcp\", or an object such as {\"kind\": \"http\"}")
            return nil
        }
        guard let fields = reader.fields(of: node, as: .readiness),
            let kind = reader.required("kind", in: fields, purpose: "it says how the backend shows that it is ready"),
            let word = reader.choice(kind, of: Kind.self)
        else { return nil }
        if let path = fields["path"], !word.asks { reader.report(path, "only http and websocket ask for a path") }
        if let status = fields["status"], word != .http {
            let rest = word == .websocket ? "; a WebSocket opens with 101" : ""
            reader.report(status, "only http expects a status\(rest)")
        }
        let path = fields["path"].flatMap { readinessPath($0) }
        return check(word, path: path ?? "/", status: fields["status"].flatMap { expectedStatus($0) } ?? .any)
    }

    private func check(
        _ kind: Kind, path: String = "/", status: ReadinessCheck.ExpectedStatus = .any
    ) -> ReadinessCheck {
        switch kind {
        case .tcp: .tcp
        case .http: .http(path: path, status: status)
        case .websocket: .webSocket(path: path)
        case .notify: .notify
        case .socket: .socket
        }
    }

    private func readinessPath(_ node: ConfigurationNode) -> String? {
        reader.parsed(node, expected: "a path such as \"/up\"") { text throws(ValueProblem) in
            guard text.hasPrefix("/") else { throw ValueProblem("does not begin with a slash") }
            let isPlain = text.utf8.allSatisfy { PathSyntax.isPathByte($0) || $0 == UInt8(ascii: "?") }
            guard isPlain, PathSyntax.hasWholeEscapes(text) else {
                throw ValueProblem("has a character that a path cannot have; write it percent-encoded")
            }
            guard text.utf8.count <= Self.readinessPathLimit else {
                throw ValueProblem("is longer than \(Self.readinessPathLimit) bytes")
            }
            return text
        }?.value
    }

    /// In bytes; every server accepts a request line of this length.
    private static let readinessPathLimit = 2048

    private func expectedStatus(_ node: ConfigurationNode) -> ReadinessCheck.ExpectedStatus? {
        if case .number = node.value.content {
            return reader.integer(node, in: KeyRange.readyStatus).map { .exactly($0) }
        }
        return reader.parsed(node, expected: "\"any\", \"2xx\" or a number such as 204") { text throws(ValueProblem) in
            switch text {
            case "any": return .any
            case "2xx": return .success
            default: throw ValueProblem("is neither any nor 2xx; an exact status is a number, such as 204")
            }
        }?.value
    }
}
