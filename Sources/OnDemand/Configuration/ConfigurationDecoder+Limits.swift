/// Decodes `limits`, at the top and in services, and who may ask through whom.
extension ConfigurationDecoder {
    private static let serviceKeys = ["max_body_bytes", "body_timeout", "response_timeout", "stall_timeout"]

    mutating func limits(_ node: ConfigurationNode) -> Located<PeerLimits>? {
        let keys = ["head_timeout", "max_head_bytes", "max_header_fields", "max_target_bytes"] + Self.serviceKeys
        guard let fields = fields(of: node, keys: keys) else { return nil }
        var limits = PeerLimits()
        if let head = fields["head_timeout"] { limits.headTimeout = span(head) ?? limits.headTimeout }
        if let head = fields["max_head_bytes"] {
            limits.maximumHeadBytes = size(head, in: 1024...1_048_576).map(Int.init) ?? limits.maximumHeadBytes
        }
        if let count = fields["max_header_fields"] {
            limits.maximumHeaderFields = integer(count, in: 8...10_000) ?? limits.maximumHeaderFields
        }
        if let target = fields["max_target_bytes"] {
            limits.maximumTargetBytes = size(target, in: 64...1_048_576).map(Int.init) ?? limits.maximumTargetBytes
        }
        take(fields, into: &limits.service)
        return node.located(limits)
    }

    /// What a service says stands for it alone; what it leaves out is as at the top.
    mutating func limits(_ node: ConfigurationNode, over defaults: ServiceLimits) -> ServiceLimits {
        var limits = defaults
        guard let fields = fields(of: node, keys: Self.serviceKeys) else { return limits }
        take(fields, into: &limits)
        return limits
    }

    private mutating func take(_ fields: Fields, into limits: inout ServiceLimits) {
        if let body = fields["max_body_bytes"] {
            limits.maximumBodyBytes = bound(body, { $0.size($1, in: 0...SizeText.largest) }) ?? limits.maximumBodyBytes
        }
        if let body = fields["body_timeout"] { limits.bodyTimeout = span(body) ?? limits.bodyTimeout }
        if let response = fields["response_timeout"] {
            limits.responseTimeout = span(response) ?? limits.responseTimeout
        }
        if let stall = fields["stall_timeout"] { limits.stallTimeout = span(stall) ?? limits.stallTimeout }
    }

    mutating func origins(_ node: ConfigurationNode) -> [OriginRule] {
        oneOrMore(node).compactMap {
            parsed($0, expected: "an origin such as \"https://example.com\"", by: OriginText.parse)?.value
        }
    }

    mutating func trustedProxies(_ node: ConfigurationNode) -> TrustedProxies {
        guard let items = items(of: node, expected: "a list such as [\"loopback\"]") else { return TrustedProxies() }
        var trusted = TrustedProxies()
        for item in items {
            let part = parsed(item, expected: "a network such as \"10.0.0.0/8\"", by: NetworkText.parse)?.value
            trusted.networks += part?.networks ?? []
            trusted.includesUnixSockets = trusted.includesUnixSockets || part?.includesUnixSockets == true
        }
        return trusted
    }
}

// MARK: - Numbers with a limit

extension ConfigurationDecoder {
    /// Bytes, as a number or as a string with a unit.
    mutating func size(_ node: ConfigurationNode, in range: ClosedRange<UInt64>) -> UInt64? {
        let size: UInt64?
        if case .number(let number) = node.value.content {
            size = number.integer.flatMap(UInt64.init(exactly:))
        } else if let text = parsed(
            node, expected: "a size such as \"16KiB\", or a number of bytes", by: SizeText.parse)
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

    /// A bound that `"off"` lifts: then nil inside of the optional, which is nil itself when there was a mistake.
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
