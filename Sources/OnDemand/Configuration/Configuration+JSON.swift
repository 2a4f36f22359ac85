/// Decodes the configuration file: its keys, their values and their defaults.
extension Configuration {
    /// Reads a file that the configuration names.
    typealias Reading = (_ file: String) throws(SystemError) -> [UInt8]

    /// Returns the absolute path of a directory without symbolic links; nil where it does not exist.
    typealias Resolving = (_ directory: String) -> String?

    static func read(
        _ bytes: [UInt8], environment: [String: String], reading: Reading = noFile, resolving: Resolving = { _ in nil }
    ) throws(ConfigurationErrors) -> Configuration {
        try review(bytes, environment: environment, reading: reading, resolving: resolving).configuration
    }

    /// Reads a whole file and reports all independent errors in one run. `env_file` must be correct first, because all
    /// other values may use its variables. Warnings are in the order of the file.
    static func review(
        _ bytes: [UInt8], environment: [String: String], reading: Reading = noFile, resolving: Resolving = { _ in nil }
    ) throws(ConfigurationErrors) -> (configuration: Configuration, warnings: [ConfigurationWarning]) {
        let root: JSONValue
        do {
            root = try JSONReader.read(bytes, duplicateKeys: .kept)
        } catch {
            let finding = ConfigurationError(path: "", position: error.position, sentence: error.sentence)
            throw ConfigurationErrors([finding])
        }
        let node = ConfigurationNode(path: "", value: root)
        let variables = try ConfigurationDecoder.environmentFile(of: node, environment, reading)
        let pairs = variables.map { ($0.name, $0.value) }
        var decoder = ConfigurationDecoder(environment: environment.merging(pairs) { _, new in new })
        let draft = decoder.configuration(node)
        let errors = decoder.errors + draft.conflicts(resolving: resolving)
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        let warnings = (decoder.warnings + draft.warnings()).sorted { $0.position < $1.position }
        return (draft.configuration(variables), warnings)
    }

    /// Rejects every file; for callers that read only the configuration.
    static func noFile(_ file: String) throws(SystemError) -> [UInt8] {
        throw SystemError(call: "open", code: .noSuchFile, subject: file)
    }
}

extension JSONValue {
    fileprivate var isEmptyList: Bool { if case .array(let items) = content { items.isEmpty } else { false } }
}

extension ConfigurationDecoder {
    fileprivate mutating func configuration(_ node: ConfigurationNode) -> ConfigurationDraft {
        var draft = ConfigurationDraft()
        guard let fields = fields(of: node, as: .configuration) else { return draft }
        if let schema = fields["$schema"] { _ = self.schema(schema) }
        if let listen = required("listen", in: fields, purpose: "it says where clients connect") {
            listeners(listen, into: &draft)
        }
        if let limits = fields["limits"] { draft.limits = self.limits(limits) }
        if let cables = fields["cables"] { draft.cables = self.cables(cables) }
        // A list of cables that is wrong as a whole counts too: its own error is enough.
        let hasCables = fields["cables"]?.value.isEmptyList == false
        if let proxies = fields["reverse_proxies"] {
            let limits = draft.limits?.value.service ?? ServiceLimits()
            draft.services = services(
                proxies, mayBeEmpty: hasCables, limits: limits, withoutPath: draft.namedBackends)
        } else if !hasCables {
            _ = required("reverse_proxies", in: fields, purpose: "it lists the services")
        }
        if let trusted = fields["trusted_proxies"] { draft.trustedProxies = trustedProxies(trusted) }
        if let via = fields["via"] { draft.via = boolean(via) ?? draft.via }
        if let threads = fields["threads"] {
            draft.threads = integer(threads, in: KeyRange.threads) ?? draft.threads
        }
        if let processes = fields["managed_processes"] { draft.processes = self.processes(processes) }
        if let status = fields["status"] { self.status(status, into: &draft) }
        if let directory = fields["state_dir"] { draft.stateDirectory = systemText(directory, isEmptyAllowed: false) }
        if let control = fields["control"] { draft.control = self.control(control) }
        if let log = fields["log"] { draft.log = self.log(log) }
        if let drain = fields["drain_timeout"] { draft.drainTimeout = duration(drain)?.value ?? draft.drainTimeout }
        if let jitter = fields["close_jitter"] { draft.closeJitter = duration(jitter)?.value ?? draft.closeJitter }
        return draft
    }

    private mutating func listeners(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        let nodes = oneOrMore(node)
        if nodes.count > KeyRange.listeners { report(node, "the list has more than \(KeyRange.listeners) items") }
        for node in nodes.prefix(KeyRange.listeners) { listener(node, into: &draft) }
    }

    /// Decodes an address, the name of an inherited socket, or an object with more settings for either.
    private mutating func listener(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        var (place, isAnnounced) = (node, false)
        if case .object = node.value.content {
            guard let fields = fields(of: node, as: .listener),
                let address = required("address", in: fields, purpose: "it says where to listen")
            else { return }
            (place, isAnnounced) = (address, fields["proxy_protocol"].flatMap { boolean($0) } ?? false)
        }
        if case .string(let text) = place.value.content, text.hasPrefix("fd:") {
            guard let name = inheritedName(place) else { return }
            draft.inherited.append(name)
            if isAnnounced { draft.announcedNames.append(name.value) }
        } else if let address = address(place) {
            draft.listen.append(address)
            if isAnnounced { draft.proxyProtocol.append(address.value) }
        }
    }

    /// Parses `fd:NAME`; the name matches a socket unit's `FileDescriptorName=NAME` (systemd.socket(5)).
    mutating func inheritedName(_ node: ConfigurationNode) -> Located<String>? {
        parsed(node, expected: "a name behind \"fd:\"") { text throws(ValueProblem) in
            let name = String(text.dropFirst(3))
            guard (1...255).contains(name.utf8.count),
                name.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") })
            else {
                throw ValueProblem(
                    "is not the name of an inherited socket; write its FileDescriptorName behind \"fd:\"")
            }
            return name
        }
    }

    /// Checks `$schema`, which only editors use.
    private mutating func schema(_ node: ConfigurationNode) -> Bool {
        if case .string = node.value.content { return true }
        reportType(of: node, expected: "a string")
        return false
    }

    /// Decodes an address; a bare number is a port, as in `"listen": 3000`.
    mutating func address(_ node: ConfigurationNode) -> Located<SocketAddress>? {
        if case .number = node.value.content {
            guard let port = integer(node, in: KeyRange.port) else { return nil }
            return node.located(.ipv4(octets: [0, 0, 0, 0], port: UInt16(port)))
        }
        return parsed(node, expected: "an address such as \"127.0.0.1:3000\"", by: AddressParser.listen)
    }

    private mutating func status(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        guard let fields = fields(of: node, as: .status) else { return }
        if let token = fields["token"] { draft.statusToken = self.token(token) }
        if let names = fields["allowed_hosts"] { draft.allowedHosts = oneOrMore(names).compactMap { hostName($0) } }
        guard let listen = required("listen", in: fields, purpose: "it says where the status page is") else { return }
        draft.status = address(listen)
        let thisMachine = TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true)
        guard let address = draft.status?.value, case nil = fields["token"], !thisMachine.includes(address) else {
            return
        }
        report(listen, "\(address) can be reached from other machines; set a \"token\" next to it, or use 127.0.0.1")
    }

    private mutating func hostName(_ node: ConfigurationNode) -> String? {
        parsed(node, expected: "a name such as \"status.example.com\"") { text throws(ValueProblem) in
            let name = text.lowercased()
            guard !name.isEmpty, name.utf8.allSatisfy(OriginRule.isHostByte), name.utf8.first != UInt8(ascii: ".")
            else { throw ValueProblem("is not a host name; write it without scheme, port and path") }
            return name
        }?.value
    }

    /// Decodes the token. Errors do not repeat it, because they end up in logs.
    private mutating func token(_ node: ConfigurationNode) -> BearerToken? {
        guard let text = text(node, expected: "a token in quotes") else { return nil }
        if let token = BearerToken(text.value) { return token }
        let lengths = "\(Limits.statusTokenBytes.lowerBound) to \(Limits.statusTokenBytes.upperBound)"
        report(node, "invalid token; write \(lengths) letters, digits and -._~+/=, as `openssl rand -hex 32` does")
        return nil
    }

    /// Decodes the control socket. File permissions protect it; a TCP port would not identify its clients.
    private mutating func control(_ node: ConfigurationNode) -> Located<SocketAddress>? {
        parsed(node, expected: "a Unix socket such as \"\(ControlAddress.usual)\"") { text throws(ValueProblem) in
            let address = text.hasPrefix("unix:") ? try AddressParser.listen(text) : nil
            guard let address else { throw ValueProblem("is not a Unix socket; write unix: in front of its path") }
            return address
        }
    }

    private mutating func log(_ node: ConfigurationNode) -> Configuration.Log {
        var log = Configuration.Log()
        guard let fields = fields(of: node, as: .log) else { return log }
        if let level = fields["level"] { log.level = choice(level, of: LogLevel.self) ?? log.level }
        if let format = fields["format"] { log.format = choice(format, of: LogFormat.self) ?? log.format }
        log.file = fields["file"].flatMap { logFile($0) }
        if let size = fields["max_size"] {
            log.maximumBytes = self.size(size, in: KeyRange.logBytes) ?? log.maximumBytes
            if fields["file"] == nil { report(size, "this is the size of a \"file\", and there is none next to it") }
        }
        if let format = fields["format"], log.format == .journal, fields["file"] != nil {
            report(format, "\"journal\" is how journald reads standard error; a \"file\" is \"text\" or \"json\"")
        }
        return log
    }

    private mutating func logFile(_ node: ConfigurationNode) -> String? {
        parsed(node, expected: "the name of a file in quotes") { text throws(ValueProblem) in
            guard !text.isEmpty, !text.hasSuffix("/"), text.withoutControls == text, !text.contains("\t") else {
                throw ValueProblem("is not a file name")
            }
            return text
        }?.value
    }
}

// MARK: - Services

extension ConfigurationDecoder {
    /// `withoutPath`: names of services that may leave out `path`, because a cable forwards to them.
    private mutating func services(
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
    private mutating func systemText(_ node: ConfigurationNode, isEmptyAllowed: Bool = true) -> String? {
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
    private mutating func stopPlan(_ node: ConfigurationNode) -> StopPlan? {
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
            guard let patience = duration(second)?.value else { return nil }
            steps.append(StopPlan.Step(signal: signal, patience: patience))
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
