/// Decodes `limits` (global and per service), origins and trusted proxies.
extension ConfigurationDecoder {
    mutating func limits(_ node: ConfigurationNode) -> Located<PeerLimits>? {
        guard let fields = fields(of: node, as: .limits) else { return nil }
        var limits = PeerLimits()
        if let head = fields["header_timeout"] { limits.headerTimeout = span(head) ?? limits.headerTimeout }
        if let head = fields["max_header_bytes"] {
            limits.maximumHeaderBytes = size(head, in: KeyRange.headBytes).map(Int.init) ?? limits.maximumHeaderBytes
        }
        if let count = fields["max_header_fields"] {
            limits.maximumHeaderFields = integer(count, in: KeyRange.headerFields) ?? limits.maximumHeaderFields
        }
        if let target = fields["max_uri_bytes"] {
            limits.maximumURIBytes =
                size(target, in: KeyRange.targetBytes).map(Int.init) ?? limits.maximumURIBytes
        }
        if let count = fields["max_connections_per_address"] {
            limits.maximumConnectionsPerAddress = self.count(count) ?? limits.maximumConnectionsPerAddress
        }
        take(fields, into: &limits.service)
        // The global value limits each listener, not each service.
        (limits.maximumConnections, limits.service.maximumConnections) = (limits.service.maximumConnections, nil)
        return node.located(limits)
    }

    /// Decodes a service's limits; keys that are left out keep the global values.
    mutating func limits(_ node: ConfigurationNode, over defaults: ServiceLimits) -> ServiceLimits {
        var limits = defaults
        guard let fields = fields(of: node, as: .serviceLimits) else { return limits }
        take(fields, into: &limits)
        return limits
    }

    private mutating func take(_ fields: Fields, into limits: inout ServiceLimits) {
        if let body = fields["max_body_bytes"] {
            limits.maximumBodyBytes = bound(body, { $0.size($1, in: KeyRange.bodyBytes) }) ?? limits.maximumBodyBytes
        }
        if let body = fields["body_timeout"] { limits.bodyTimeout = span(body) ?? limits.bodyTimeout }
        if let response = fields["response_timeout"] {
            limits.responseTimeout = span(response) ?? limits.responseTimeout
        }
        if let head = fields["max_response_header_bytes"] {
            limits.maximumResponseHeadBytes =
                size(head, in: KeyRange.headBytes).map(Int.init) ?? limits.maximumResponseHeadBytes
        }
        if let timeout = fields["upstream_keep_alive"] {
            limits.upstreamKeepAlive = bound(timeout, { $0.span($1) }) ?? limits.upstreamKeepAlive
        }
        if let stall = fields["send_timeout"] { limits.sendTimeout = span(stall) ?? limits.sendTimeout }
        takeMessages(fields, into: &limits)
        if let count = fields["max_connections"] {
            limits.maximumConnections = self.count(count) ?? limits.maximumConnections
        }
    }

    private mutating func takeMessages(_ fields: Fields, into limits: inout ServiceLimits) {
        if let size = fields["max_message_size"] {
            limits.maximumMessageBytes =
                bound(size, { $0.size($1, in: KeyRange.messageBytes) }) ?? limits.maximumMessageBytes
        }
        if let size = fields["max_backend_message_size"] {
            limits.maximumBackendMessageBytes =
                bound(size, { $0.size($1, in: KeyRange.messageBytes) }) ?? limits.maximumBackendMessageBytes
        }
        if let rate = fields["max_message_rate"] {
            limits.maximumMessageRate =
                bound(rate, { $0.integer($1, in: KeyRange.messageRate) }) ?? limits.maximumMessageRate
        }
    }

    private mutating func count(_ node: ConfigurationNode) -> Int?? {
        bound(node) { $0.integer($1, in: KeyRange.connections) }
    }

    mutating func origins(_ node: ConfigurationNode) -> [OriginRule] {
        oneOrMore(node).compactMap {
            parsed($0, expected: "an origin such as \"https://example.com\"", by: OriginParser.parse)?.value
        }
    }

    mutating func trustedProxies(_ node: ConfigurationNode) -> TrustedProxies {
        guard let items = items(of: node, expected: "a list such as [\"loopback\"]") else { return TrustedProxies() }
        var trusted = TrustedProxies()
        for item in items {
            let part = parsed(item, expected: "a network such as \"10.0.0.0/8\"", by: NetworkParser.parse)?.value
            trusted.networks += part?.networks ?? []
            trusted.includesUnixSockets = trusted.includesUnixSockets || part?.includesUnixSockets == true
        }
        return trusted
    }
}

// MARK: - Numbers with a limit

extension ConfigurationDecoder {
    /// Decodes bytes: a number, or a string with a unit.
    mutating func size(_ node: ConfigurationNode, in range: ClosedRange<UInt64>) -> UInt64? {
        let size: UInt64?
        if case .number(let number) = node.value.content {
            size = number.integer.flatMap(UInt64.init(exactly:))
        } else if let text = parsed(
            node, expected: "a size such as \"16KiB\", or a number of bytes", by: SizeParser.parse)
        {
            size = text.value
        } else {
            return nil
        }
        guard let size, range.contains(size) else {
            report(node, "expected a size from \(range.lowerBound) to \(range.upperBound) bytes")
            return nil
        }
        return size
    }

    /// Decodes a limit that `"off"` removes: the outer nil is an error, the inner nil is `"off"`.
    mutating func bound<Value>(
        _ node: ConfigurationNode, _ read: (inout ConfigurationDecoder, ConfigurationNode) -> Value?
    ) -> Value?? {
        if case .string(let template) = node.value.content,
            (try? interpolation.expand(template))?.text == "off"
        {
            return .some(nil)
        }
        return read(&self, node).map { .some($0) }
    }
}
