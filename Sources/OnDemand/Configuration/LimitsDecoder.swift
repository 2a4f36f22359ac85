/// Decodes `limits`, of all services and of one.
struct LimitsDecoder {
    let reader: ConfigurationReader

    func limits(_ node: ConfigurationNode) -> Located<PeerLimits>? {
        guard let fields = reader.fields(of: node, as: .limits) else { return nil }
        var limits = PeerLimits()
        if let head = fields["header_timeout"] { limits.headerTimeout = reader.span(head) ?? limits.headerTimeout }
        if let head = fields["max_header_bytes"] {
            limits.maximumHeaderBytes =
                reader.size(head, in: KeyRange.headBytes).map(Int.init) ?? limits.maximumHeaderBytes
        }
        if let count = fields["max_header_fields"] {
            limits.maximumHeaderFields = reader.integer(count, in: KeyRange.headerFields) ?? limits.maximumHeaderFields
        }
        if let target = fields["max_uri_bytes"] {
            limits.maximumURIBytes =
                reader.size(target, in: KeyRange.targetBytes).map(Int.init) ?? limits.maximumURIBytes
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
    func limits(_ node: ConfigurationNode, over defaults: ServiceLimits) -> ServiceLimits {
        var limits = defaults
        guard let fields = reader.fields(of: node, as: .serviceLimits) else { return limits }
        take(fields, into: &limits)
        return limits
    }

    private func take(_ fields: ConfigurationFields, into limits: inout ServiceLimits) {
        if let body = fields["max_body_bytes"] {
            limits.maximumBodyBytes =
                reader.bound(body, { reader.size($0, in: KeyRange.bodyBytes) }) ?? limits.maximumBodyBytes
        }
        if let body = fields["body_timeout"] { limits.bodyTimeout = reader.span(body) ?? limits.bodyTimeout }
        if let response = fields["response_timeout"] {
            limits.responseTimeout = reader.span(response) ?? limits.responseTimeout
        }
        if let head = fields["max_response_header_bytes"] {
            limits.maximumResponseHeadBytes =
                reader.size(head, in: KeyRange.headBytes).map(Int.init) ?? limits.maximumResponseHeadBytes
        }
        if let timeout = fields["upstream_keep_alive"] {
            limits.upstreamKeepAlive = reader.bound(timeout, { reader.span($0) }) ?? limits.upstreamKeepAlive
        }
        if let stall = fields["send_timeout"] { limits.sendTimeout = reader.span(stall) ?? limits.sendTimeout }
        takeMessages(fields, into: &limits)
        if let count = fields["max_connections"] {
            limits.maximumConnections = self.count(count) ?? limits.maximumConnections
        }
    }

    private func takeMessages(_ fields: ConfigurationFields, into limits: inout ServiceLimits) {
        if let size = fields["max_message_size"] {
            limits.maximumMessageBytes =
                reader.bound(size, { reader.size($0, in: KeyRange.messageBytes) }) ?? limits.maximumMessageBytes
        }
        if let size = fields["max_backend_message_size"] {
            limits.maximumBackendMessageBytes =
                reader.bound(size, { reader.size($0, in: KeyRange.messageBytes) }) ?? limits.maximumBackendMessageBytes
        }
        if let rate = fields["max_message_rate"] {
            limits.maximumMessageRate =
                reader.bound(rate, { reader.integer($0, in: KeyRange.messageRate) }) ?? limits.maximumMessageRate
        }
    }

    private func count(_ node: ConfigurationNode) -> Int?? {
        reader.bound(node) { reader.integer($0, in: KeyRange.connections) }
    }
}
