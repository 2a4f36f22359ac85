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
    ]

    private static func of(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String,
        _ samples: @escaping @Sendable (Snapshot.Cable) -> [MetricFamily.Sample]
    ) -> MetricFamily {
        MetricFamily("cable_\(name)", kind, help) { snapshot in
            snapshot.cables.flatMap { cable in
                samples(cable).map { sample in
                    var sample = sample
                    sample.labels.insert(("cable", cable.name), at: 0)
                    return sample
                }
            }
        }
    }
}
