/// The keys of `cables`, and the numbers that they take.
extension KeyRange {
    /// Each holds a table and timers from the start; more than that is another daemon's work.
    static let cables = 64
    /// As far apart as the wake-ups for pings may be close; clients that know no longer interval than that give up.
    static let pingInterval: ClosedRange<Duration> = .milliseconds(1000 / Limits.cablePingsPerSecond)...(.seconds(60))
    /// Action Cable's clients take a connection without a ping for 6 s for a dead one; a ping may be a second late.
    static let longestPingOfRails: Duration = .seconds(5)
    /// A shorter key of HS256 is weaker than the signature.
    static let tokenSecretBytes = 32
    /// A message is assembled in memory, for each client.
    static let cableMessageBytes: ClosedRange<UInt64> = 1...16 << 20
    /// A client's are searched one by one when it leaves.
    static let subscriptions = 1...10_000
    /// Held in memory for each client that is slow.
    static let queuedBytes: ClosedRange<UInt64> = 1024...1 << 30
    /// A body is held in memory until it is complete.
    static let broadcastBytes: ClosedRange<UInt64> = 1...64 << 20
    /// Patterns are tried one by one.
    static let publicPatterns = 256
    /// So are the names of channels.
    static let mappedChannels = 256
    static let channelNameBytes = 1...256
    /// A prefix is sent with each subscription and broadcast.
    static let channelPrefixBytes = 256
    static let parameterNameBytes = 1...64
    /// Names are tried one by one, as in `streams.channels`.
    static let replayableChannels = 256
    /// Each is a stream of the daemon for every subscription of the channel.
    static let channelStreams = 64
    /// A reconnection per minute is more than a page should have; cookies of 30 days are rare.
    static let hibernationAge: ClosedRange<Duration> = .seconds(60)...(.seconds(30 * 24 * 60 * 60))
}

extension ConfigurationObject {
    static let cableKeys: [ConfigurationKey] = [
        .required("name", .name, "what log lines and commands call it"),
        ConfigurationKey("enabled", .flag, "true", "off: its paths get 503"),
        .required("path", .oneOrMore(.path, most: nil), "where clients connect: /cable, /x/{y}/cable"),
        ConfigurationKey(
            "protocols", .oneOrMore(.words(CableProtocolWord.allCases.map(\.rawValue)), most: nil),
            "[\"action_cable\", \"turbo_cable\"]",
            "what clients may speak; with connect: backend the default is action_cable alone"),
        ConfigurationKey(
            "allowed_origins", .oneOrMore(.string, most: nil), "\"same_origin\"",
            "the pages that may connect: origins as for a service, or the word same_origin"),
        ConfigurationKey("jwt", .object(.cableTokens), "tokens that clients present; without it they need none"),
        ConfigurationKey("streams", .object(.cableStreams), "{}", "which streams clients may subscribe to"),
        ConfigurationKey("broadcast", .object(.cableBroadcast), "where programs publish by HTTP"),
        ConfigurationKey("redis", .object(.cableRedis), "a Redis server whose messages reach the clients"),
        ConfigurationKey("backend", .name, "the service that serves what the cable does not; it needs no path"),
        ConfigurationKey(
            "connect", .words(Configuration.Cable.Connect.allCases.map(\.rawValue)), "\"backend\"",
            "what accepts new clients: the backend, or the daemon (local)"),
        ConfigurationKey(
            "hibernate", .object(.cableHibernation), "lets the backend sleep while clients are connected"),
        ConfigurationKey(
            "ping_interval", .span, "\"3s\"", "between two pings to an Action Cable client: 125ms to 1m"),
        ConfigurationKey("limits", .object(.cableLimits), "{}", "what each client may send, hold and delay"),
    ]

    static let cableTokenKeys: [ConfigurationKey] = [
        .required("secret", .string, "the key of HS256, HS384 and HS512 signatures", secrecy: .whole),
        ConfigurationKey("parameter", .pattern("^[A-Za-z0-9._~-]{1,64}$"), "\"jid\"", "the query parameter"),
        ConfigurationKey("required", .flag, "true", "false: clients without a token are accepted too"),
    ]

    static let cableStreamKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "public", .either(.boolean, .list(.string, most: KeyRange.publicPatterns)), "false",
            "streams without a signature: all, none, or those that match a pattern with *"),
        .secret("secret", "the key of signed names, as AnyCable's gems make them"),
        .secret("rails_secret_key_base", "Rails' secret_key_base, for Turbo's signed names"),
        ConfigurationKey("channels", .strings, "{}", "channel classes and their streams, such as \"scores-{game}\""),
    ]

    static let cableBroadcastKeys: [ConfigurationKey] = [
        ConfigurationKey("path", .path, "the endpoint on the listeners of the clients"),
        ConfigurationKey("listen", .address, "a listener of its own: an address, or \"fd:NAME\""),
        .secret("key", "what Authorization: Bearer names; without it only this machine may publish"),
        ConfigurationKey("max_body_bytes", .size(KeyRange.broadcastBytes), "\"1MiB\"", "of a request's body; 413"),
    ]

    static let cableRedisKeys: [ConfigurationKey] = [
        .required(
            "url", .pattern("^(redis|unix)://"), "redis://[user:password@]host:port[/db] or unix:///path",
            secrecy: .password),
        ConfigurationKey("channel_prefix", .string, "\"\"", "as in Rails' config/cable.yml"),
    ]

    static let cableHibernationKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "channels", .list(.object(.replayableChannel), most: KeyRange.replayableChannels), "[]",
            "channels whose subscriptions can be replayed, besides Turbo::StreamsChannel"),
        ConfigurationKey(
            "max_age", .bound(.span), "\"12h\"",
            "the time after which a client is asked to reconnect: 1m to 720h"),
        ConfigurationKey("notice", .flag, "false", "whether clients get a second welcome after a wake"),
    ]

    static let replayableChannelKeys: [ConfigurationKey] = [
        .required("name", .string, "the class of the channel"),
        ConfigurationKey(
            "actions", .words(ChannelActionsWord.allCases.map(\.rawValue)),
            "stateless: performing an action leaves no state behind"),
        ConfigurationKey(
            "streams", .list(.string, most: KeyRange.channelStreams),
            "the streams of the channel, such as \"chat-{room}\"; required beside redis"),
    ]

    static let cableLimitKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "max_message_size", .size(KeyRange.cableMessageBytes), "\"64KiB\"",
            "of one message from a client; close 1009"),
        ConfigurationKey(
            "max_connections", .bound(.integer(KeyRange.connections)), "\"off\"", "clients at a time; 503"),
        ConfigurationKey(
            "max_subscriptions", .integer(KeyRange.subscriptions), "100", "of one client; reject_subscription"),
        ConfigurationKey(
            "max_queued_bytes", .size(KeyRange.queuedBytes), "\"1MiB\"",
            "queued for one client; disconnect with reason too_slow"),
        ConfigurationKey(
            "send_timeout", .span, "\"10s\"",
            "how long a client may take nothing of what is queued for it; disconnect with reason too_slow"),
    ]
}
