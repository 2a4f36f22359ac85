/// Decodes `managed_processes`: processes without routes.
struct ProcessDecoder {
    let reader: ConfigurationReader

    func processes(_ node: ConfigurationNode) -> [ProcessDraft] {
        guard let items = reader.items(of: node, expected: "a list of processes") else { return [] }
        if items.count > KeyRange.processes {
            reader.report(node, "the list has more than \(KeyRange.processes) items")
        }
        return items.prefix(KeyRange.processes).map { process($0) }
    }

    private func process(_ node: ConfigurationNode) -> ProcessDraft {
        var draft = ProcessDraft()
        guard let fields = reader.fields(of: node, as: .process) else { return draft }
        let policies = PolicyDecoder(reader: reader)
        if let name = reader.required("name", in: fields, purpose: "every log line of the process begins with it") {
            draft.name = reader.name(name)
        }
        if let enabled = fields["enabled"] { draft.enabled = reader.flag(enabled) ?? draft.enabled }
        draft.launch = LaunchDecoder(reader: reader).launch(fields)
        draft.policy = policies.policy(fields)
        if let address = fields["address"] {
            draft.address = reader.parsed(
                address, expected: "an address such as \"127.0.0.1:6379\"", by: AddressParser.process)
        }
        if let requires = fields["requires"] { draft.requires = policies.requirements(requires) }
        if let onReload = fields["on_reload"] { draft.onReload = policies.onReload(onReload) ?? draft.onReload }
        if let restart = fields["auto_restart"] {
            draft.policy.restarts = reader.flag(restart) ?? draft.policy.restarts
        }
        if let backoff = fields["restart_backoff"] {
            draft.backoff = policies.backoff(backoff)
            draft.policy.backoff = draft.backoff?.value ?? draft.policy.backoff
        }
        start(fields, into: &draft)
        return draft
    }

    private func start(_ fields: ConfigurationFields, into draft: inout ProcessDraft) {
        let start = fields["start"].flatMap { reader.choice($0, of: Configuration.Process.Start.self) } ?? .withDaemon
        draft.policy.alwaysOn = start == .withDaemon
        if let delay = fields["start_delay"] {
            draft.startDelay = reader.duration(delay)?.value ?? draft.startDelay
            if start == .whenRequired { reader.report(delay, "this is not allowed with \"start\": \"when_required\"") }
        }
        if let idle = fields["idle_timeout"], start == .withDaemon {
            reader.report(
                idle, "a process that starts with the daemon never idles out; set \"start\": \"when_required\"")
        }
        if let environment = fields["env"] {
            LaunchDecoder(reader: reader).checkVariables(environment, for: draft.policy.readiness)
        }
        if fields["address"] == nil { withoutAddress(fields, draft.policy.readiness) }
    }

    /// Reports keys that need an address; `notify` is the only readiness check without one.
    private func withoutAddress(_ fields: ConfigurationFields, _ readiness: ReadinessCheck) {
        guard readiness != .notify else { return }
        if let startup = fields["startup_timeout"] {
            reader.report(startup, "without an \"address\" it is ready as soon as it runs, so a timeout has no effect")
        }
        if let node = fields["readiness"], readiness != .tcp {
            reader.report(node, "without an \"address\" only \"notify\" can show that it is ready")
        }
    }
}
