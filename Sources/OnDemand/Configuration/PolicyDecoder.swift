/// Decodes when a backend starts again, stops and counts as ready, and what it requires.
struct PolicyDecoder {
    let reader: ConfigurationReader

    func policy(_ fields: ConfigurationFields) -> BackendPolicy {
        var policy = BackendPolicy()
        if let startup = fields["startup_timeout"] {
            policy.startupTimeout = reader.span(startup) ?? policy.startupTimeout
        }
        if let readiness = fields["readiness"] {
            policy.readiness = ReadinessDecoder(reader: reader).readiness(readiness) ?? policy.readiness
        }
        if let idle = fields["idle_timeout"], let duration = reader.duration(idle)?.value {
            policy.idleTimeout = duration == .zero ? nil : duration
        }
        if let stop = fields["stop_timeout"], let duration = reader.duration(stop)?.value {
            policy.stopPlan = .politely(for: duration)
        }
        if let plan = fields["stop"] {
            if fields["stop_timeout"] != nil {
                reader.report(plan, "stop and stop_timeout exclude each other; keep one")
            }
            policy.stopPlan = stopPlan(plan) ?? policy.stopPlan
        }
        if let idleWhen = fields["idle_when"] {
            policy.idleWhen = reader.choice(idleWhen, of: IdleWhen.self) ?? policy.idleWhen
        }
        if let uptime = fields["min_uptime"] {
            policy.minimumUptime = reader.duration(uptime)?.value ?? policy.minimumUptime
        }
        if let sleep = fields["min_sleep"] {
            policy.minimumSleep = reader.duration(sleep)?.value ?? policy.minimumSleep
        }
        if let waiting = fields["max_queue"] {
            policy.maximumQueue = reader.integer(waiting, in: KeyRange.waiting) ?? policy.maximumQueue
        }
        return policy
    }

    /// Decodes alternating signals and durations, such as `["TERM", "10s", "KILL"]`.
    func stopPlan(_ node: ConfigurationNode) -> StopPlan? {
        guard let items = reader.items(of: node, expected: "a list such as [\"TERM\", \"10s\", \"KILL\"]") else {
            return nil
        }
        var steps: [StopPlan.Step] = []
        var rest = items[...]
        while let first = rest.popFirst() {
            guard let signal = stopSignal(first) else { return nil }
            // KILL needs no timeout; the plan ends with it in any case.
            guard let second = rest.popFirst() else {
                if signal == .kill { break }
                reader.report(first, "the last signal needs a timeout behind it, unless it is KILL")
                return nil
            }
            guard let timeout = reader.duration(second)?.value else { return nil }
            steps.append(StopPlan.Step(signal: signal, timeout: timeout))
        }
        if items.isEmpty { reader.report(node, "the list is empty; to kill at once write [\"KILL\"]") }
        return StopPlan(steps: steps)
    }

    private func stopSignal(_ node: ConfigurationNode) -> StopSignal? {
        let names = StopSignal.allCases.map(\.name)
        return reader.parsed(node, expected: "a signal, one of \(names.joined(separator: ", "))") {
            text throws(ValueProblem) in
            let name = text.hasPrefix("SIG") ? String(text.dropFirst(3)) : text
            if let signal = StopSignal.allCases.first(where: { $0.name == name }) { return signal }
            throw ValueProblem(
                "is not one of \(names.joined(separator: ", "))\(Suggestion.sentence(for: name, among: names))")
        }?.value
    }

    func backoff(_ node: ConfigurationNode) -> Located<RestartBackoff>? {
        guard let fields = reader.fields(of: node, as: .restartBackoff) else { return nil }
        var backoff = RestartBackoff()
        if let first = fields["min"] { backoff.first = reader.span(first) ?? backoff.first }
        if let longest = fields["max"] { backoff.longest = reader.span(longest) ?? backoff.longest }
        return node.located(backoff)
    }

    func onReload(_ node: ConfigurationNode) -> Configuration.OnReload? {
        reader.choice(node, of: Configuration.OnReload.self)
    }

    /// Decodes names. Empty strings are skipped, so that a variable can decide: `"${FLY_APP_NAME:+redis}"`.
    func requirements(_ node: ConfigurationNode) -> [Located<String>] {
        guard let items = reader.items(of: node, expected: "a list of names") else { return [] }
        var first: [String: Located<String>] = [:]
        return items.compactMap { item in
            let name = reader.parsed(item, expected: "a name in quotes") { text throws(ValueProblem) in
                text.isEmpty ? "" : try ConfigurationReader.plainName(text)
            }
            guard let name, !name.value.isEmpty else { return nil }
            if let other = first[name.value] {
                reader.report(item, "\(name.value.quoted) is required already, see \(other.place)")
                return nil
            }
            first[name.value] = name
            return name
        }
    }
}
