/// Decodes `reverse_proxies`: the routes of services, their targets and their headers.
struct ServiceDecoder {
    let reader: ConfigurationReader

    /// `withoutPath`: names of services that may leave out `path`, because a cable forwards to them.
    func services(
        _ node: ConfigurationNode, mayBeEmpty: Bool, limits: ServiceLimits, withoutPath: Set<String>
    ) -> [ServiceDraft] {
        guard let items = reader.items(of: node, expected: "a list of services") else { return [] }
        if items.isEmpty, !mayBeEmpty { reader.report(node, "the list is empty; it needs at least one service") }
        return items.map { service($0, limits: limits, withoutPath: withoutPath) }
    }

    private func service(
        _ node: ConfigurationNode, limits: ServiceLimits, withoutPath: Set<String>
    ) -> ServiceDraft {
        var draft = ServiceDraft(limits: limits)
        guard let fields = reader.fields(of: node, as: .service) else { return draft }
        if let name = reader.required("name", in: fields, purpose: "every log line of the service begins with it") {
            draft.name = reader.name(name)
        }
        if let enabled = fields["enabled"] { draft.enabled = reader.flag(enabled) ?? draft.enabled }
        if let path = fields["path"] {
            draft.paths = reader.oneOrMore(path).compactMap { reader.pattern($0) }
        } else if draft.name.map({ withoutPath.contains($0.value) }) != true {
            _ = reader.required("path", in: fields, purpose: "it says which requests are meant")
        }
        if let target = reader.required("target", in: fields, purpose: "it says where the requests go") {
            draft.target = reader.parsed(
                target, expected: "a target such as \"http://127.0.0.1:28080/cable\"", by: AddressParser.target)
        }
        if let websocket = fields["websocket"] { draft.websocket = reader.boolean(websocket) ?? draft.websocket }
        if let headers = fields["headers"] { draft.headers = self.headers(headers) }
        if let origins = fields["allowed_origins"] { draft.origins = self.origins(origins) }
        if let own = fields["limits"] { draft.limits = LimitsDecoder(reader: reader).limits(own, over: limits) }
        if let onDemand = fields["on_demand"] {
            OnDemandDecoder(reader: reader).onDemand(onDemand, into: &draft)
        } else {
            draft.target = draft.target.map { PortDecoder(reader: reader).resolve($0, nil) }
        }
        return draft
    }

    private func headers(_ node: ConfigurationNode) -> [HeaderTemplate] {
        guard let members = reader.members(of: node) else { return [] }
        var lowercasedNames: Set<String> = []
        return members.compactMap { member in
            let value = ConfigurationNode(path: node.path(of: member.key), value: member.value)
            do throws(ValueProblem) {
                try HeaderParser.checkName(member.key)
            } catch {
                reader.report(path: node.path, member.keyPosition, "\(member.key.quoted) \(error.predicate)")
                return nil
            }
            // Header names compare without case (RFC 9110, 5.1), JSON keys with it.
            guard lowercasedNames.insert(member.key.lowercased()).inserted else {
                reader.report(
                    path: node.path, member.keyPosition, "the header \(member.key.quoted) is already set above")
                return nil
            }
            let template = reader.parsed(value, expected: "a string", dollars: .doubled) { text throws(ValueProblem) in
                HeaderTemplate(name: member.key, parts: try HeaderParser.parts(of: text))
            }
            return template?.value
        }
    }

    private func origins(_ node: ConfigurationNode) -> [OriginRule] {
        reader.oneOrMore(node).compactMap {
            reader.parsed($0, expected: "an origin such as \"https://example.com\"", by: OriginParser.parse)?.value
        }
    }
}
