/// The part of a snapshot that is about cables.
extension Snapshot {
    /// A cable as the status, the metrics and the page show it. Counters begin with the daemon, or with the cable.
    struct Cable: Equatable {
        var name: String
        var isEnabled = true
        var paths: [String] = []
        var protocols: [String] = []
        /// Clients with an open connection.
        var clients = 0
        var subscriptions = 0
        /// Streams with a subscriber.
        var streams = 0
        /// Messages that programs posted or published.
        var publications: UInt64 = 0
        /// Requests and messages that were not valid.
        var refusedPublications: UInt64 = 0
        /// Requests that were refused because too many messages were undelivered.
        var overloadedPublications: UInt64 = 0
        /// Messages without a subscriber at their stream.
        var unheard: UInt64 = 0
        /// Messages sent to clients: one publication for each subscriber.
        var deliveries: UInt64 = 0
        /// Clients that were disconnected because they read too slowly.
        var slowClients: UInt64 = 0
        /// Unsent bytes of the client that has the most.
        var longestQueue = 0
        /// Subscriptions that were rejected, by reason.
        var rejected: [Count] = []
        /// Client messages without an effect, by reason.
        var ignored: [Count] = []
        /// nil: the cable has no Redis server.
        var redis: Redis?
        /// nil: the cable has no backend.
        var backend: Backend?

        /// The clients that the backend serves too.
        struct Backend: Equatable {
            /// Name of the service.
            var name = ""
            /// Connected to the backend, without a connection to it, and on the way there.
            var attached = 0
            var hibernating = 0
            var waking = 0
            /// Why clients keep the backend awake: a reason, a channel, and the count of their subscriptions.
            var stateful: [Stateful] = []
            /// Client commands that wait for the backend.
            var queuedClientCommands = 0
            /// Starts and connections by cause.
            var wakes: [Count] = []
            /// Subscriptions that were made again.
            var replayed: UInt64 = 0
            /// Clients that were asked to reconnect, by reason.
            var disconnected: [Count] = []
            /// Messages without an effect while the backend slept.
            var ignored: UInt64 = 0
            /// Time in which clients were connected and the backend had no process.
            var sleptConnected: Duration = .zero
            /// Memory that this has saved; nil until the backend's memory is known.
            var savedByteSeconds: Double?
        }

        struct Stateful: Equatable {
            let reason: String
            let channel: String
            var subscriptions: Int
        }

        struct Redis: Equatable {
            enum State: String, CaseIterable {
                /// No client is subscribed, so no connection is needed.
                case idle
                case connected, unreachable
            }

            var state: State
            /// Streams whose subscribers may have missed messages.
            var gaps: UInt64
        }
    }
}
