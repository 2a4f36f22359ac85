/// The metrics of cables. The label `cable` comes first.
extension Metrics {
    static let cables: [MetricFamily] = [
        of("clients", .gauge, "Clients with an open connection.") { [.init($0.clients)] },
        of("subscriptions", .gauge, "Subscriptions of all clients.") { [.init($0.subscriptions)] },
        of("streams", .gauge, "Streams with a subscriber.") { [.init($0.streams)] },
        of("broadcasts_total", .counter, "Messages that programs broadcast, by result.") { cable in
            [
                .init(cable.publications - min(cable.unheard, cable.publications), [("result", "delivered")]),
                .init(cable.unheard, [("result", "no_subscriber")]),
                .init(cable.refusedPublications, [("result", "refused")]),
                .init(cable.overloadedPublications, [("result", "overloaded")]),
            ]
        },
        of("deliveries_total", .counter, "Messages sent to clients.") { [.init($0.deliveries)] },
        of("rejected_subscriptions_total", .counter, "Subscriptions that were rejected, by reason.") { cable in
            cable.rejected.map { .init($0.count, [("reason", $0.name)]) }
        },
        of("ignored_messages_total", .counter, "Client messages without an effect, by reason.") { cable in
            cable.ignored.map { .init($0.count, [("reason", $0.name)]) }
        },
        of("slow_clients_total", .counter, "Clients that were disconnected because they read too slowly.") {
            [.init($0.slowClients)]
        },
        of("longest_queue_bytes", .gauge, "Unsent bytes of the client that has the most.") { [.init($0.longestQueue)] },
        of("redis_state", .gauge, "1 for the state of the Redis connection, 0 for the others.") { cable in
            guard let redis = cable.redis else { return [] }
            return Snapshot.Cable.Redis.State.allCases.map {
                .init($0 == redis.state ? 1 : 0, [("state", $0.rawValue)])
            }
        },
        of("redis_gaps_total", .counter, "Streams whose subscribers may have missed messages.") { cable in
            cable.redis.map { [.init($0.gaps)] } ?? []
        },
        of("backend_clients", .gauge, "Clients of the backend, by the state of their connection to it.") { cable in
            guard let backend = cable.backend else { return [] }
            return [
                .init(backend.attached, [("state", "attached")]),
                .init(backend.hibernating, [("state", "hibernating")]),
                .init(backend.waking, [("state", "waking")]),
            ]
        },
        of("queued_commands", .gauge, "Commands of clients that wait for the backend.") { cable in
            cable.backend.map { [.init($0.queuedClientCommands)] } ?? []
        },
        of("wakes_total", .counter, "Connections to the backend that were made for clients, by cause.") { cable in
            cable.backend?.wakes.map { .init($0.count, [("cause", $0.name)]) } ?? []
        },
        of("replayed_subscriptions_total", .counter, "Subscriptions that were made again after a sleep.") { cable in
            cable.backend.map { [.init($0.replayed)] } ?? []
        },
        of("disconnected_clients_total", .counter, "Clients that were asked to reconnect, by reason.") { cable in
            cable.backend?.disconnected.map { .init($0.count, [("reason", $0.name)]) } ?? []
        },
        of("slept_connected_seconds_total", .counter, "Time without a backend while clients were connected.") { cable in
            cable.backend.map { [.init(Double($0.sleptConnected.wholeMilliseconds) / 1000)] } ?? []
        },
    ]

    private static func of(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String,
        _ samples: @escaping @Sendable (Snapshot.Cable) -> [MetricFamily.Sample]
    ) -> MetricFamily {
        .each("cable", of: { $0.cables.map { ($0.name, $0) } }, name, kind, help, samples)
    }
}
