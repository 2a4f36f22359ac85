/// The values of `cables`: WebSocket endpoints that the daemon serves itself.
extension Configuration {
    /// A `cables` entry: a WebSocket endpoint that the daemon serves itself.
    struct Cable: Equatable, Sendable {
        var name: String
        /// The ENABLE flag: off answers 503.
        var enabled = true
        var paths: [PathPattern]
        /// Subprotocols served here; at least one.
        var actionCable = true
        var turboCable = true
        var origins = Origins.sameOrigin
        /// nil: clients need no token.
        var tokens: Tokens?
        var streams = Streams()
        /// nil: programs broadcast through Redis and the control socket only.
        var broadcast: Broadcast?
        var redis: Redis?
        /// Name of the service that serves what the cable does not; nil without one.
        var backend: String?
        /// Without a backend always `local`. The default of the key is `backend` if there is one.
        var connect = Connect.local
        /// nil: an open upstream keeps the backend awake.
        var hibernation: Hibernation?
        var pingInterval: Duration = .seconds(3)
        var limits = CableLimits()

        enum Origins: Equatable, Sendable {
            case sameOrigin
            case listed([OriginRule])
        }

        /// JSON Web Tokens of clients (`jwt`).
        struct Tokens: Equatable, Sendable {
            /// Never empty.
            var secret: [UInt8]
            /// Name of the query parameter.
            var parameter = "jid"
            /// Clients without a token are refused.
            var isRequired = true
        }

        struct Streams: Equatable, Sendable {
            var publicStreams = PublicStreams.none
            /// Key of signed stream names as AnyCable's gems make them.
            var secret: [UInt8]?
            /// `secret_key_base` of Rails; the keys of Turbo's signed names are derived from it.
            var railsSecretKeyBase: [UInt8]?
            var channels: [SubscriptionResolver.Channel] = []
        }

        struct Broadcast: Equatable, Sendable {
            /// On the public listeners; nil: only on `listen`.
            var path: PathPattern?
            /// A listener of its own, on which every path is the endpoint.
            var listen: ListenerSpec.Place?
            /// nil: programs of this machine only.
            var key: BearerToken?
            var maximumBodyBytes: UInt64 = 1024 * 1024
        }

        struct Redis: Equatable, Sendable {
            var url: RedisURL
            /// In front of each stream's name, joined with a colon; nil without.
            var channelPrefix: String?
        }

        /// What accepts a new client.
        enum Connect: String, CaseIterable, Sendable {
            /// The backend: it gets the client's upgrade, and its response is relayed.
            case backend
            /// The daemon: it opens the upstream when a client first needs the backend.
            case local
        }

        /// The sleep of the backend while clients are connected (`hibernate`).
        struct Hibernation: Equatable, Sendable {
            /// Besides `Turbo::StreamsChannel`, which is always replayable.
            var channels: [ReplayableChannel] = []
            /// A client that has been connected for longer is asked to reconnect, so that its cookies are checked
            /// again; nil is no limit.
            var maximumAge: Duration? = .seconds(12 * 60 * 60)
            /// Whether clients get a second `welcome` after a wake.
            var sendsNotice = false
        }
    }

    /// `limits` of a cable.
    struct CableLimits: Equatable, Sendable {
        /// A client's message; a larger one ends the connection with 1009.
        var maximumMessageBytes = 64 * 1024
        /// Clients at once; nil is no limit.
        var maximumConnections: Int?
        var maximumSubscriptions = 100
        /// Unsent bytes of one client.
        var maximumQueuedBytes = 1024 * 1024
        /// How long a client may take nothing of what is sent to it.
        var sendTimeout: Duration = .seconds(10)
    }
}
