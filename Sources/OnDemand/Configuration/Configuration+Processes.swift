/// Decodes processes without routes, and checks requirements.
extension ConfigurationDecoder {
    mutating func processes(_ node: ConfigurationNode) -> [ProcessDraft] {
        guard let items = items(of: node, expected: "a list of processes") else { return [] }
        if items.count > KeyRange.processes { report(node, "the list has more than \(KeyRange.processes) items") }
        return items.prefix(KeyRange.processes).map { process($0) }
    }

    private mutating func process(_ node: ConfigurationNode) -> ProcessDraft {
        var draft = ProcessDraft()
        guard let fields = fields(of: node, as: .process) else { return draft }
        if let name = required("name", in: fields, purpose: "every log line of the process begins with it") {
            draft.name = parsed(name, expected: "a name in quotes", by: Self.serviceName)
        }
        if let enabled = fields["enabled"] { draft.enabled = flag(enabled) ?? draft.enabled }
        draft.launch = launch(fields)
        draft.policy = policy(fields)
        if let address = fields["address"] {
            draft.address = parsed(
                address, expected: "an address such as \"127.0.0.1:6379\"", by: AddressParser.process)
        }
        if let requires = fields["requires"] { draft.requires = requirements(requires) }
        if let onReload = fields["on_reload"] { draft.onReload = self.onReload(onReload) ?? draft.onReload }
        if let restart = fields["auto_restart"] { draft.policy.restarts = flag(restart) ?? draft.policy.restarts }
        if let backoff = fields["restart_backoff"] {
            draft.backoff = self.backoff(backoff)
            draft.policy.backoff = draft.backoff?.value ?? draft.policy.backoff
        }
        start(fields, into: &draft)
        return draft
    }

    private mutating func start(_ fields: Fields, into draft: inout ProcessDraft) {
        let start = fields["start"].flatMap { choice($0, of: Configuration.Process.Start.self) } ?? .withDaemon
        draft.policy.alwaysOn = start == .withDaemon
        if let delay = fields["start_delay"] {
            draft.startDelay = duration(delay)?.value ?? draft.startDelay
            if start == .whenRequired { report(delay, "this is not allowed with \"start\": \"when_required\"") }
        }
        if let idle = fields["idle_timeout"], start == .withDaemon {
            report(idle, "a process that starts with the daemon never idles out; set \"start\": \"when_required\"")
        }
        if let environment = fields["env"] { checkVariables(environment, for: draft.policy.readiness) }
        if fields["address"] == nil { withoutAddress(fields, draft.policy.readiness) }
    }

    /// Reports keys that need an address; `notify` is the only readiness check without one.
    private mutating func withoutAddress(_ fields: Fields, _ readiness: ReadinessCheck) {
        guard readiness != .notify else { return }
        if let startup = fields["startup_timeout"] {
            report(startup, "without an \"address\" it is ready as soon as it runs, so a timeout has no effect")
        }
        if let node = fields["readiness"], readiness != .tcp {
            report(node, "without an \"address\" only \"notify\" can show that it is ready")
        }
    }

    /// Decodes names. Empty strings are skipped, so that a variable can decide: `"${FLY_APP_NAME:+redis}"`.
    mutating func requirements(_ node: ConfigurationNode) -> [Located<String>] {
        guard let items = items(of: node, expected: "a list of names") else { return [] }
        var first: [String: Located<String>] = [:]
        return items.compactMap { item in
            let name = parsed(item, expected: "a name in quotes") { text throws(ValueProblem) in
                text.isEmpty ? "" : try Self.serviceName(text)
            }
            guard let name, !name.value.isEmpty else { return nil }
            if let other = first[name.value] {
                report(item, "\(name.value.quoted) is required already, see \(other.place)")
                return nil
            }
            first[name.value] = name
            return name
        }
    }
}

// MARK: - Requirements

extension ConfigurationDraft {
    /// An entry that requires others or can be required.
    private struct Member {
        let name: Located<String>
        let isEnabled: Bool
        let isStartedByUs: Bool
        let requires: [Located<String>]
    }

    private var members: [Member] {
        let services = services.compactMap { service in
            service.name.map { name in
                Member(
                    name: name, isEnabled: service.enabled, isStartedByUs: service.launch != nil,
                    requires: service.requires)
            }
        }
        let processes = processes.compactMap { process in
            process.name.map { name in
                Member(name: name, isEnabled: process.enabled, isStartedByUs: true, requires: process.requires)
            }
        }
        return services + processes
    }

    func impossibleRequirements() -> [ConfigurationError] {
        let members = members
        let known = Dictionary(members.map { ($0.name.value, $0) }, uniquingKeysWith: { first, _ in first })
        let names = members.map(\.name.value)
        var broken: [ConfigurationError] = []
        for member in members {
            for required in member.requires {
                // Suggestions compare with every name, so make them only for errors that are shown.
                let candidates = broken.count < ConfigurationErrors.shownAtMost ? names : []
                if let error = error(in: required, of: member, known, candidates) { broken.append(error) }
            }
        }
        return broken + circles(of: members) + forgotten(members)
    }

    private func error(
        in required: Located<String>, of member: Member, _ known: [String: Member], _ names: [String]
    ) -> ConfigurationError? {
        let name = required.value.quoted
        guard required.value != member.name.value else { return required.error("\(name) cannot require itself") }
        guard let other = known[required.value] else {
            let hint = Suggestion.sentence(for: required.value, among: names)
            return required.error("\(name) is not the name of a process or service\(hint)")
        }
        if !other.isStartedByUs {
            return required.error("\(name) has no command and cannot be started; remove it here")
        }
        if member.isEnabled, !other.isEnabled {
            let requirer = member.name.value.quoted
            return required.error("\(name) is not enabled, and \(requirer) cannot start without it")
        }
        return nil
    }

    /// Returns each circular requirement once, at one entry of the circle; the search then continues without it.
    private func circles(of members: [Member]) -> [ConfigurationError] {
        var entries = members.map { member in
            DependencyOrder.Entry(
                name: member.name.value, requires: member.requires.map(\.value).filter { $0 != member.name.value })
        }
        var errors: [ConfigurationError] = []
        while errors.count < ConfigurationErrors.shownAtMost, let cycle = DependencyOrder.cycle(in: entries),
            let place = entries.firstIndex(where: { $0.name == cycle[0] })
        {
            let circle = cycle.joined(separator: " -> ")
            if let required = members[place].requires.first(where: { $0.value == cycle[1] }) {
                errors.append(required.error("circular requirement: \(circle)"))
            }
            let rest = entries[place].requires.filter { $0 != cycle[1] }
            entries[place] = DependencyOrder.Entry(name: cycle[0], requires: rest)
        }
        return errors
    }

    /// Returns processes that no entry requires and that would never start.
    private func forgotten(_ members: [Member]) -> [ConfigurationError] {
        let required = Set(members.flatMap { $0.requires.map(\.value) })
        return processes.filter { !$0.policy.alwaysOn && $0.enabled }.compactMap(\.name).compactMap { name in
            guard !required.contains(name.value) else { return nil }
            return name.error("no service or process requires \(name.value.quoted), so it would never be started")
        }
    }
}
