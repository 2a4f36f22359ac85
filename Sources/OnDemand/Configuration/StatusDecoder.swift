/// Decodes `status`: where the page is, its token and its names.
struct StatusDecoder {
    let reader: ConfigurationReader

    func status(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        guard let fields = reader.fields(of: node, as: .status) else { return }
        if let token = fields["token"] { draft.statusToken = self.token(token) }
        if let names = fields["allowed_hosts"] {
            draft.allowedHosts = reader.oneOrMore(names).compactMap { hostName($0) }
        }
        guard let listen = reader.required("listen", in: fields, purpose: "it says where the status page is") else {
            return
        }
        draft.status = reader.address(listen)
        let thisMachine = TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true)
        guard let address = draft.status?.value, case nil = fields["token"], !thisMachine.includes(address) else {
            return
        }
        reader.report(
            listen, "\(address) can be reached from other machines; set a \"token\" next to it, or use 127.0.0.1")
    }

    private func hostName(_ node: ConfigurationNode) -> String? {
        reader.parsed(node, expected: "a name such as \"status.example.com\"") { text throws(ValueProblem) in
            let name = text.lowercased()
            guard !name.isEmpty, name.utf8.allSatisfy(OriginRule.isHostByte), name.utf8.first != UInt8(ascii: ".")
            else { throw ValueProblem("is not a host name; write it without scheme, port and path") }
            return name
        }?.value
    }

    /// Decodes the token. Errors do not repeat it, because they end up in logs.
    private func token(_ node: ConfigurationNode) -> BearerToken? {
        guard let text = reader.text(node, expected: "a token in quotes") else { return nil }
        if let token = BearerToken(text.value) { return token }
        let lengths = "\(Limits.statusTokenBytes.lowerBound) to \(Limits.statusTokenBytes.upperBound)"
        reader.report(
            node, "invalid token; write \(lengths) letters, digits and -._~+/=, as `openssl rand -hex 32` does")
        return nil
    }
}
