/// The keys of `cables`.
extension ConfigurationObject {
    static let cableKeys: [ConfigurationKey] = [
        .required("name", .pattern("^[A-Za-z0-9._-]{1,64}$"), "the name in log lines and commands"),
        ConfigurationKey("enabled", .flag, "true", "off: its paths get 503"),
        .required("path", .oneOrMore(.pattern("^/"), most: nil), "where clients connect: /cable, /x/{y}/cable"),
        ConfigurationKey(
            "protocols", .list(.words(CableWord.protocols), most: nil), "[\"action_cable\", \"turbo_cable\"]",
            "the protocols that clients may speak"),
        ConfigurationKey(
            "allowed_origins", .oneOrMore(.string, most: nil), "\"same_origin\"",
            "the pages that may open a WebSocket: \"same_origin\", \"*\" or origins"),
        ConfigurationKey("jwt", .object(.cableTokens), "the JSON Web Tokens that clients must present"),
        ConfigurationKey("streams", .object(.cableStreams), "{}", "the streams that clients may subscribe to"),
        ConfigurationKey("broadcast", .object(.cableBroadcast), "where programs post messages"),
        ConfigurationKey("redis", .object(.cableRedis), "the Redis server that messages come through"),
        ConfigurationKey("ping_interval", .span, "\"3s\"", "interval of Action Cable pings"),
        ConfigurationKey("limits", .object(.cableLimits), "{}", "the limits of its clients"),
    ]

    static let cableTokenKeys: [ConfigurationKey] = [
        .required("secret", .string, "the key that signs tokens (HS256, HS384, HS512)"),
        ConfigurationKey("parameter", .string, "\"jid\"", "the query parameter with the token"),
        ConfigurationKey("required", .flag, "true", "off: clients without a token are accepted, too"),
    ]

    static let cableStreamKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "public", .either(.boolean, .list(.string, most: nil)), "false",
            "streams without a signature: true, or patterns with *"),
        ConfigurationKey("secret", .string, "the key of stream names signed by AnyCable's gems"),
        ConfigurationKey("rails_secret_key_base", .string, "the secret_key_base of Rails, for Turbo's stream names"),
        ConfigurationKey("channels", .strings, "{}", "a stream name for each channel class: \"scores-{game}\""),
    ]

    static let cableBroadcastKeys: [ConfigurationKey] = [
        ConfigurationKey("path", .pattern("^/"), "the path on the public listeners"),
        ConfigurationKey(
            "listen", .either(.integer(KeyRange.port), .string), "a listener of its own, on which every path is the endpoint"),
        ConfigurationKey(
            "key", .pattern("^[A-Za-z0-9._~+/=-]{16,256}$"),
            "the bearer token of publishers; without it only programs of this machine may broadcast"),
        ConfigurationKey("max_body_bytes", .size(KeyRange.bodyBytes), "\"1MiB\"", "of a request's body; 413"),
    ]

    static let cableRedisKeys: [ConfigurationKey] = [
        .required("url", .string, "redis://[user:password@]host:port[/db] or unix:///path"),
        ConfigurationKey("channel_prefix", .string, "\"\"", "as in cable.yml of Rails"),
    ]

    static let cableLimitKeys: [ConfigurationKey] = [
        ConfigurationKey("max_message_size", .size(KeyRange.cableMessageBytes), "\"64KiB\"", "of a client; close 1009"),
        ConfigurationKey("max_connections", .bound(.integer(KeyRange.connections)), "\"off\"", "clients at a time; 503"),
        ConfigurationKey(
            "max_subscriptions", .integer(KeyRange.subscriptions), "100", "of one client; the next one is rejected"),
        ConfigurationKey(
            "max_queued_bytes", .size(KeyRange.queuedBytes), "\"1MiB\"",
            "unsent bytes of one client; it is disconnected as too slow"),
        ConfigurationKey("send_timeout", .span, "\"10s\"", "how long a client may read nothing; then as above"),
    ]
}

/// Words of `protocols`.
enum CableWord {
    static let protocols = ["action_cable", "turbo_cable"]
    static let sameOrigin = "same_origin"
}

extension KeyRange {
    static let cableMessageBytes: ClosedRange<UInt64> = 128...16 << 20
    static let subscriptions = 1...100_000
    /// At least one frame of the largest broadcast body.
    static let queuedBytes: ClosedRange<UInt64> = 65_536...1 << 30
    /// Each has a machine and a timer of its own.
    static let cables = 256
    /// Shorter keys can be guessed.
    static let secretBytes = 16
}
