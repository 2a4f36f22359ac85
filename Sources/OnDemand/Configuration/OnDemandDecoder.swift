/// Decodes `on_demand`: how the backend of a service is started and stopped, and which requests may start it.
struct OnDemandDecoder {
    let reader: ConfigurationReader

    func onDemand(_ node: ConfigurationNode, into draft: inout ServiceDraft) {
        guard let fields = reader.fields(of: node, as: .onDemand) else { return }
        let (launches, policies) = (LaunchDecoder(reader: reader), PolicyDecoder(reader: reader))
        let ports = PortDecoder(reader: reader)
        draft.launch = launches.launch(fields)
        draft.policy = policies.policy(fields)
        if let enabled = fields["enabled"] { draft.policy.alwaysOn = reader.flag(enabled).map { !$0 } ?? false }
        if let requires = fields["requires"] { draft.requires = policies.requirements(requires) }
        if let environment = fields["env"] { launches.checkVariables(environment, for: draft.policy.readiness) }
        if let port = fields["port"].flatMap({ ports.port($0) }) {
            draft.launch?.isToldItsPort = true
            draft.target = draft.target.map { ports.resolve($0, port) }
        } else if fields["port"] == nil {
            draft.target = draft.target.map { ports.resolve($0, nil) }
        }
        if let onReload = fields["on_reload"] { draft.onReload = policies.onReload(onReload) ?? draft.onReload }
        if let backoff = fields["restart_backoff"] {
            draft.backoff = policies.backoff(backoff)
            draft.policy.backoff = draft.backoff?.value ?? draft.policy.backoff
        }
        if let wakeOn = fields["wake_on"] { draft.wakeOn = WakeRuleDecoder(reader: reader).wakeRule(wakeOn) }
    }
}
