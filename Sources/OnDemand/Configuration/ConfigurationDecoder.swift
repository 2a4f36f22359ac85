/// Decodes the top of the configuration file; each of its objects has a decoder of its own over the same reader.
struct ConfigurationDecoder {
    let reader: ConfigurationReader

    init(environment: [String: String]) { reader = ConfigurationReader(environment: environment) }

    var errors: [ConfigurationError] { reader.errors }
    var warnings: [ConfigurationWarning] { reader.warnings }

    func configuration(_ node: ConfigurationNode) -> ConfigurationDraft {
        var draft = ConfigurationDraft()
        guard let fields = reader.fields(of: node, as: .configuration) else { return draft }
        if let schema = fields["$schema"] { _ = self.schema(schema) }
        if let listen = reader.required("listen", in: fields, purpose: "it says where clients connect") {
            ListenerDecoder(reader: reader).listeners(listen, into: &draft)
        }
        if let limits = fields["limits"] { draft.limits = LimitsDecoder(reader: reader).limits(limits) }
        if let cables = fields["cables"] { draft.cables = CableDecoder(reader: reader).cables(cables) }
        // A list of cables that is wrong as a whole counts too: its own error is enough.
        let hasCables = fields["cables"]?.value.isEmptyList == false
        if let proxies = fields["reverse_proxies"] {
            let limits = draft.limits?.value.service ?? ServiceLimits()
            draft.services = ServiceDecoder(reader: reader).services(
                proxies, mayBeEmpty: hasCables, limits: limits, withoutPath: draft.namedBackends)
        } else if !hasCables {
            _ = reader.required("reverse_proxies", in: fields, purpose: "it lists the services")
        }
        if let trusted = fields["trusted_proxies"] { draft.trustedProxies = trustedProxies(trusted) }
        if let via = fields["via"] { draft.via = reader.boolean(via) ?? draft.via }
        if let threads = fields["threads"] {
            draft.threads = reader.integer(threads, in: KeyRange.threads) ?? draft.threads
        }
        if let processes = fields["managed_processes"] {
            draft.processes = ProcessDecoder(reader: reader).processes(processes)
        }
        if let commands = fields["commands"] { draft.commands = CommandDecoder(reader: reader).commands(commands) }
        if let status = fields["status"] { StatusDecoder(reader: reader).status(status, into: &draft) }
        if let directory = fields["state_dir"] {
            draft.stateDirectory = reader.systemText(directory, isEmptyAllowed: false)
        }
        if let control = fields["control"] { draft.control = self.control(control) }
        if let log = fields["log"] { draft.log = LogDecoder(reader: reader).log(log) }
        if let drain = fields["drain_timeout"] {
            draft.drainTimeout = reader.duration(drain)?.value ?? draft.drainTimeout
        }
        if let jitter = fields["close_jitter"] {
            draft.closeJitter = reader.duration(jitter)?.value ?? draft.closeJitter
        }
        return draft
    }

    /// Checks `$schema`, which only editors use.
    private func schema(_ node: ConfigurationNode) -> Bool {
        if case .string = node.value.content { return true }
        reader.reportType(of: node, expected: "a string")
        return false
    }

    private func trustedProxies(_ node: ConfigurationNode) -> TrustedProxies {
        guard let items = reader.items(of: node, expected: "a list such as [\"loopback\"]") else {
            return TrustedProxies()
        }
        var trusted = TrustedProxies()
        for item in items {
            let part = reader.parsed(item, expected: "a network such as \"10.0.0.0/8\"", by: NetworkParser.parse)?.value
            trusted.networks += part?.networks ?? []
            trusted.includesUnixSockets = trusted.includesUnixSockets || part?.includesUnixSockets == true
        }
        return trusted
    }

    /// Decodes the control socket. File permissions protect it; a TCP port would not identify its clients.
    private func control(_ node: ConfigurationNode) -> Located<SocketAddress>? {
        reader.parsed(node, expected: "a Unix socket such as \"\(ControlAddress.usual)\"") {
            text throws(ValueProblem) in
            let address = text.hasPrefix("unix:") ? try AddressParser.listen(text) : nil
            guard let address else { throw ValueProblem("is not a Unix socket; write unix: in front of its path") }
            return address
        }
    }
}

extension JSONValue {
    fileprivate var isEmptyList: Bool { if case .array(let items) = content { items.isEmpty } else { false } }
}
