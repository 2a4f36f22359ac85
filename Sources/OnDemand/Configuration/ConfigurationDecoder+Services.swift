/// Decodes `reverse_proxies`: services, how they are started and stopped, and which requests may start them.

// MARK: - Services

extension ConfigurationDecoder {
    /// `withoutPath`: names of services that may leave out `path`, because a cable forwards to them.
    mutating func services(
        _ node: ConfigurationNode, mayBeEmpty: Bool, limits: ServiceLimits, withoutPath: Set<String>
    ) -> [ServiceDraft] {
        guard let items = items(of: node, expected: "a list of services") else { return [] }
        if items.isEmpty, !mayBeEmpty { report(node, "the list is empty; it needs at least one service") }
        return items.map { service($0, limits: limits, withoutPath: withoutPath) }
    }

    private mutating func service(
        _ node: ConfigurationNode, limits: ServiceLimits, withoutPath: Set<String>
    ) -> ServiceDraft {
        var draft = ServiceDraft(limits: limits)
        guard let fields = fields(of: node, as: .service) else { return draft }
        if let name = required("name", in: fields, purpose: "every log line of the service begins with it") {
            draft.name = parsed(name, expected: "a name in quotes", by: Self.serviceName)
        }
        if let enabled = fields["enabled"] { draft.enabled = flag(enabled) ?? draft.enabled }
        if let path = fields["path"] {
            draft.paths = oneOrMore(path).compactMap { pattern($0) }
        } else if draft.name.map({ withoutPath.contains($0.value) }) != true {
            _ = required("path", in: fields, purpose: "it says which requests are meant")
        }
        if let target = required("target", in: fields, purpose: "it says where the requests go") {
            draft.target = parsed(
                target, expected: "a target such as \"http://127.0.0.1:28080/cable\"", by: AddressParser.target)
        }
        if let websocket = fields["websocket"] { draft.websocket = boolean(websocket) ?? draft.websocket }
        if let headers = fields["headers"] { draft.headers = self.headers(headers) }
        if let origins = fields["allowed_origins"] { draft.origins = self.origins(origins) }
        if let own = fields["limits"] { draft.limits = self.limits(own, over: limits) }
        if let onDemand = fields["on_demand"] {
            self.onDemand(onDemand, into: &draft)
        } else {
            draft.target = draft.target.map { resolve($0, nil) }
        }
        return draft
    }

    private static let nameByteLimit = 64

    /// Checks a name: it needs no quotes in log lines and commands.
    static func serviceName(_ text: String) throws(ValueProblem) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, (1...nameByteLimit).contains(text.utf8.count) else {
            throw ValueProblem(
                "is not a valid name; names are 1 to \(nameByteLimit) letters, digits, dots, dashes, underscores")
        }
        return text
    }

    mutating func pattern(_ node: ConfigurationNode) -> Located<PathPattern>? {
        parsed(node, expected: "a path such as \"/cable\"") { text throws(ValueProblem) in
            do throws(PathPatternError) {
                return try PathPattern(parsing: text)
            } catch {
                throw ValueProblem(error.sentence)
            }
        }
    }

    private mutating func headers(_ node: ConfigurationNode) -> [HeaderTemplate] {
        guard let members = members(of: node) else { return [] }
        var lowercasedNames: Set<String> = []
        return members.compactMap { member in
            let value = ConfigurationNode(path: node.path(of: member.key), value: member.value)
            do throws(ValueProblem) {
                try HeaderParser.checkName(member.key)
            } catch {
                report(path: node.path, member.keyPosition, "\(member.key.quoted) \(error.predicate)")
                return nil
            }
            // Header names compare without case (RFC 9110, 5.1), JSON keys with it.
            guard lowercasedNames.insert(member.key.lowercased()).inserted else {
                report(path: node.path, member.keyPosition, "the header \(member.key.quoted) is already set above")
                return nil
            }
            let template = parsed(value, expected: "a string", dollars: .doubled) { text throws(ValueProblem) in
                HeaderTemplate(name: member.key, parts: try HeaderParser.parts(of: text))
            }
            return template?.value
        }
    }
}

// MARK: - On demand

extension ConfigurationDecoder {
    mutating func onReload(_ node: ConfigurationNode) -> Configuration.OnReload? {
        choice(node, of: Configuration.OnReload.self)
    }

    private mutating func onDemand(_ node: ConfigurationNode, into draft: inout ServiceDraft) {
        guard let fields = fields(of: node, as: .onDemand) else { return }
        draft.launch = launch(fields)
        draft.policy = policy(fields)
        if let enabled = fields["enabled"] { draft.policy.alwaysOn = flag(enabled).map { !$0 } ?? false }
        if let requires = fields["requires"] { draft.requires = requirements(requires) }
        if let environment = fields["env"] { checkVariables(environment, for: draft.policy.readiness) }
        if let port = fields["port"].flatMap({ self.port($0) }) {
            draft.launch?.isToldItsPort = true
            draft.target = draft.target.map { resolve($0, port) }
        } else if fields["port"] == nil {
            draft.target = draft.target.map { resolve($0, nil) }
        }
        if let onReload = fields["on_reload"] { draft.onReload = self.onReload(onReload) ?? draft.onReload }
        if let backoff = fields["restart_backoff"] {
            draft.backoff = self.backoff(backoff)
            draft.policy.backoff = draft.backoff?.value ?? draft.policy.backoff
        }
        if let wakeOn = fields["wake_on"] { draft.wakeOn = wakeRule(wakeOn) }
    }

    mutating func launch(_ fields: Fields) -> LaunchCommand {
        let command = required("command", in: fields, purpose: "it names the program to start")
        var launch = LaunchCommand(command: command.flatMap { systemText($0, isEmptyAllowed: false) } ?? "")
        if let command, let hint = LaunchHint.ofCommand(launch.command) {
            report(command, "\(launch.command.quoted) cannot be run: \(hint)")
        }
        if let arguments = fields["args"] {
            let items = items(of: arguments, expected: "a list of strings") ?? []
            launch.arguments = items.compactMap { systemText($0) }
        }
        if let directory = fields["working_dir"] {
            launch.workingDirectory = systemText(directory, isEmptyAllowed: false) ?? launch.workingDirectory
            if let hint = LaunchHint.ofPath(launch.workingDirectory) {
                report(directory, "\(launch.workingDirectory.quoted) is no directory: \(hint)")
            }
        }
        if let environment = fields["env"] { launch.environment = self.environment(environment) }
        return launch
    }

    /// Decodes a string for the kernel, which ends it at its first zero byte (execve(2)).
    mutating func systemText(_ node: ConfigurationNode, isEmptyAllowed: Bool = true) -> String? {
        parsed(node, expected: "a string in quotes") { text throws(ValueProblem) in
            guard !text.utf8.contains(0) else { throw ValueProblem("has a zero byte, which no process can be given") }
            guard isEmptyAllowed || !text.isEmpty else { throw ValueProblem("is empty") }
            return text
        }?.value
    }

    private mutating func environment(_ node: ConfigurationNode) -> [LaunchCommand.Variable] {
        guard let members = members(of: node) else { return [] }
        return members.compactMap { member in
            guard !member.key.isEmpty, !member.key.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "=") }) else {
                let sentence = "\(member.key.quoted) is not a variable name; it is empty or has \"=\" or a zero byte"
                report(path: node.path, member.keyPosition, sentence)
                return nil
            }
            let value = systemText(ConfigurationNode(path: node.path(of: member.key), value: member.value))
            return value.map { LaunchCommand.Variable(name: member.key, value: $0) }
        }
    }

    mutating func policy(_ fields: Fields) -> BackendPolicy {
        var policy = BackendPolicy()
        if let startup = fields["startup_timeout"] { policy.startupTimeout = span(startup) ?? policy.startupTimeout }
        if let readiness = fields["readiness"] { policy.readiness = self.readiness(readiness) ?? policy.readiness }
        if let idle = fields["idle_timeout"], let duration = duration(idle)?.value {
            policy.idleTimeout = duration == .zero ? nil : duration
        }
        if let stop = fields["stop_timeout"], let duration = duration(stop)?.value {
            policy.stopPlan = .politely(for: duration)
        }
        if let plan = fields["stop"] {
            if fields["stop_timeout"] != nil { report(plan, "stop and stop_timeout exclude each other; keep one") }
            policy.stopPlan = stopPlan(plan) ?? policy.stopPlan
        }
        if let idleWhen = fields["idle_when"] {
            policy.idleWhen = choice(idleWhen, of: IdleWhen.self) ?? policy.idleWhen
        }
        if let uptime = fields["min_uptime"] { policy.minimumUptime = duration(uptime)?.value ?? policy.minimumUptime }
        if let sleep = fields["min_sleep"] { policy.minimumSleep = duration(sleep)?.value ?? policy.minimumSleep }
        if let waiting = fields["max_queue"] {
            policy.maximumQueue = integer(waiting, in: KeyRange.waiting) ?? policy.maximumQueue
        }
        return policy
    }

    /// Decodes alternating signals and durations, such as `["TERM", "10s", "KILL"]`.
    mutating func stopPlan(_ node: ConfigurationNode) -> StopPlan? {
        guard let items = items(of: node, expected: "a list such as [\"TERM\", \"10s\", \"KILL\"]") else { return nil }
        var steps: [StopPlan.Step] = []
        var rest = items[...]
        while let first = rest.popFirst() {
            guard let signal = stopSignal(first) else { return nil }
            // KILL needs no timeout; the plan ends with it in any case.
            guard let second = rest.popFirst() else {
                if signal == .kill { break }
                report(first, "the last signal needs a timeout behind it, unless it is KILL")
                return nil
            }
            guard let timeout = duration(second)?.value else { return nil }
            steps.append(StopPlan.Step(signal: signal, timeout: timeout))
        }
        if items.isEmpty { report(node, "the list is empty; to kill at once write [\"KILL\"]") }
        return StopPlan(steps: steps)
    }

    private mutating func stopSignal(_ node: ConfigurationNode) -> StopSignal? {
        let names = StopSignal.allCases.map(\.name)
        return parsed(node, expected: "a signal, one of \(names.joined(separator: ", "))") {
            text throws(ValueProblem) in
            let name = text.hasPrefix("SIG") ? String(text.dropFirst(3)) : text
            if let signal = StopSignal.allCases.first(where: { $0.name == name }) { return signal }
            throw ValueProblem(
                "is not one of \(names.joined(separator: ", "))\(Suggestion.sentence(for: name, among: names))")
        }?.value
    }

    /// Decodes `"any"`, or alternatives such as `["upgrade", {"header": "X-Wake"}, {"path": "/cable"}]`.
    private mutating func wakeRule(_ node: ConfigurationNode) -> Located<WakeRule>? {
        guard case .string = node.value.content else {
            return node.located(WakeRule(conditions: oneOrMore(node).compactMap { wakeCondition($0) }))
        }
        return parsed(node, expected: "a word") { text throws(ValueProblem) in
            text == "any" ? .any : WakeRule(conditions: [try Self.wakeWord(text)])
        }
    }

    private static func wakeWord(_ text: String) throws(ValueProblem) -> WakeRule.Condition {
        switch text {
        case "upgrade": return .upgrade
        case "any": throw ValueProblem("means every request, so it stands alone and not in a list")
        default: throw ValueProblem("is neither any nor upgrade; other conditions are written {\"header\": \"X-Wake\"}")
        }
    }

    private mutating func wakeCondition(_ node: ConfigurationNode) -> WakeRule.Condition? {
        guard case .object = node.value.content else {
            let expected = "\"upgrade\", {\"header\": NAME} or {\"path\": PATH}"
            return parsed(node, expected: expected, by: Self.wakeWord)?.value
        }
        guard let fields = fields(of: node, as: .wakeCondition) else { return nil }
        switch (fields["header"], fields["path"]) {
        case (let header?, nil):
            return parsed(header, expected: "the name of a header") { text throws(ValueProblem) in
                try HeaderParser.checkToken(text)
                return .header(text)
            }?.value
        case (nil, let path?): return pattern(path).map { .path($0.value) }
        default:
            report(node, "one condition is a \"header\" or a \"path\"; several stand next to each other in a list")
            return nil
        }
    }

    mutating func backoff(_ node: ConfigurationNode) -> Located<RestartBackoff>? {
        guard let fields = fields(of: node, as: .restartBackoff) else { return nil }
        var backoff = RestartBackoff()
        if let first = fields["min"] { backoff.first = span(first) ?? backoff.first }
        if let longest = fields["max"] { backoff.longest = span(longest) ?? backoff.longest }
        return node.located(backoff)
    }
}
