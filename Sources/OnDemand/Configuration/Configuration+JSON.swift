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
        if let commands = fields["commands"] { draft.commands = self.commands(commands) }
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
