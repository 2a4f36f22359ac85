import Testing

@testable import OnDemand

/// The changes of cables from a running to a new configuration.
struct CableChangeTests {
    private static func cable(
        _ name: String = "c", _ edit: (inout Configuration.Cable) -> Void = { _ in }
    ) throws -> Configuration.Cable {
        var cable = Configuration.Cable(name: name, paths: [try PathPattern(parsing: "/\(name)")])
        edit(&cable)
        return cable
    }

    private func plan(_ old: [Configuration.Cable], _ new: [Configuration.Cable]) -> ReloadPlan {
        ReloadPlan(from: Configuration(cables: old), to: Configuration(cables: new))
    }

    private func change(_ edit: (inout Configuration.Cable) -> Void) throws -> CableChange {
        try plan([Self.cable()], [Self.cable("c", edit)]).cableChanges[0]
    }

    @Test("a cable is identified by its name, not by its position in the file")
    func identity() throws {
        let (a, b, c) = (try Self.cable("a"), try Self.cable("b"), try Self.cable("c"))
        let moved = plan([a, b], [c, b, a])
        #expect(moved.cableChanges == [.added, .unchanged, .unchanged] && moved.removedCables == [])
        let renamed = plan([a, b], [b, c])
        #expect(renamed.cableChanges == [.unchanged, .added] && renamed.removedCables == [0])
        #expect(plan([a], []).removedCables == [0])
    }

    @Test("limits, streams, keys, origins, tokens, pings, broadcasts and the backend keep the clients")
    func kept() throws {
        let edits: [(CableParts, (inout Configuration.Cable) -> Void)] = [
            (.paths, { $0.paths = [] }), (.admission, { $0.turboCable = false }),
            (.admission, { $0.actionCable = false }),
            (.admission, { $0.origins = .listed([.any]) }), (.admission, { $0.tokens = .init(secret: [1]) }),
            (.streams, { $0.streams.secret = [1] }), (.streams, { $0.streams.railsSecretKeyBase = [1] }),
            (.streams, { $0.streams.publicStreams = .all }),
            (.streams, { $0.streams.channels = [.init(name: [1], template: try! StreamTemplate("x"))] }),
            (.limits, { $0.limits.maximumSubscriptions = 1 }), (.limits, { $0.limits.sendTimeout = .seconds(1) }),
            (.pingInterval, { $0.pingInterval = .seconds(1) }), (.broadcast, { $0.broadcast = .init() }),
            (.backend, { $0.backend = "b" }), (.backend, { $0.connect = .backend }),
            (.backend, { $0.hibernation = .init() }),
        ]
        for (part, edit) in edits {
            let change = try change(edit)
            #expect(change == .changed(part) && !change.disconnectsClients)
        }
        let several = try change {
            ($0.pingInterval, $0.broadcast) = (.seconds(1), .init())
        }
        #expect(several == .changed([.pingInterval, .broadcast]))
    }

    @Test("each setting of hibernation is a change of the backend's part")
    func hibernation() throws {
        let edits: [(inout Configuration.Cable.Hibernation) -> Void] = [
            { $0.channels = [ReplayableChannel(name: [1])] }, { $0.maximumAge = nil }, { $0.sendsNotice = true },
        ]
        for edit in edits {
            var hibernation = Configuration.Cable.Hibernation()
            edit(&hibernation)
            let new = try Self.cable { $0.hibernation = hibernation }
            let plan = plan([try Self.cable { $0.hibernation = .init() }], [new])
            #expect(plan.cableChanges == [.changed(.backend)])
        }
    }

    @Test("another Redis server or channel prefix disconnects the clients")
    func redis() throws {
        let redis = Configuration.Cable.Redis(url: try RedisURL("redis://127.0.0.1"), channelPrefix: nil)
        let added = try change { $0.redis = redis }
        #expect(added == .changed(.redis) && added.disconnectsClients)
        var prefixed = redis
        prefixed.channelPrefix = "app"
        let changed = plan([try Self.cable { $0.redis = redis }], [try Self.cable { $0.redis = prefixed }])
        #expect(changed.cableChanges == [.changed(.redis)])
        #expect(plan([try Self.cable { $0.redis = redis }], [try Self.cable()]).cableChanges == [.changed(.redis)])
    }

    @Test("enabled is a change of its own, whatever else changes")
    func switching() throws {
        let off = try Self.cable { $0.enabled = false }
        let on = try Self.cable { $0.pingInterval = .seconds(1) }
        #expect(plan([off], [on]).cableChanges == [.enabled] && !CableChange.enabled.disconnectsClients)
        #expect(plan([on], [off]).cableChanges == [.disabled] && CableChange.disabled.disconnectsClients)
    }

    @Test("cables are no settings, and their broadcast listeners are listeners")
    func settings() throws {
        let listening = try Self.cable { $0.broadcast = .init(listen: .address(.unix(path: "/b"))) }
        let plan = plan([try Self.cable()], [listening])
        #expect(!plan.changesSettings && plan.listenerSpecs.sources == [nil])
        #expect(self.plan([listening], []).listenerSpecs.closed == [0])
    }

    @Test("the summary of a reload names the cables")
    func summary() throws {
        func cable(_ name: String, _ edit: (inout Configuration.Cable) -> Void = { _ in }) throws -> Configuration.Cable
        {
            try Self.cable(name, edit)
        }
        let old = Configuration(cables: [
            try cable("same"), try cable("limits"), try cable("off"), try cable("on") { $0.enabled = false },
            try cable("gone"),
        ])
        let new = Configuration(cables: [
            try cable("same"), try cable("limits") { $0.limits.maximumSubscriptions = 1 },
            try cable("off") { $0.enabled = false }, try cable("on"), try cable("new"),
        ])
        let summary = ReloadSummary(ReloadPlan(from: old, to: new), from: old, to: new)
        #expect(
            summary.parts.map { "\($0)=\($1)" } == [
                "added=new", "changed=limits", "enabled=on", "disabled=off", "removed=gone",
            ])
    }
}
