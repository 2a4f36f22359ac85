import Testing

@testable import OnDemand

/// The changes from a running to a new configuration.
struct ReloadPlanTests {
    private static func service(
        _ name: String, port: UInt16 = 1, _ edit: (inout Configuration.Service) -> Void = { _ in }
    ) throws -> Configuration.Service {
        var service = Configuration.Service(
            name: name, paths: [try PathPattern(parsing: "/\(name)")],
            target: .init(address: .ipv4(octets: [127, 0, 0, 1], port: port), authority: "a"),
            launch: LaunchCommand(command: "x"))
        edit(&service)
        return service
    }

    private func plan(_ old: [Configuration.Service], _ new: [Configuration.Service]) -> ReloadPlan {
        ReloadPlan(from: Configuration(services: old), to: Configuration(services: new))
    }

    private func change(_ edit: (inout Configuration.Service) -> Void) throws -> ReloadPlan.Change {
        try plan([Self.service("a")], [Self.service("a", edit)]).changes[0]
    }

    @Test("a service is identified by its name, not by its position in the file")
    func identity() throws {
        let (a, b, c) = (try Self.service("a"), try Self.service("b", port: 2), try Self.service("c", port: 3))
        let moved = plan([a, b], [c, b, a])
        #expect(moved.changes == [.added, .unchanged, .unchanged])
        #expect(moved.leaving == [])
        let renamed = plan([a, b], [b, try Self.service("d")])
        #expect(renamed.changes == [.unchanged, .added])
        #expect(renamed.leaving == [0])
    }

    @Test("a change of threads is logged as effective after a restart")
    func threads() {
        let (old, new) = (Configuration(), Configuration(threads: 2))
        let plan = ReloadPlan(from: old, to: new)
        #expect(!plan.changesSettings)
        #expect(ReloadSummary(plan, from: old, to: new).parts.map { "\($0)=\($1)" } == ["after_restart=threads"])
        #expect(ReloadSummary(plan, from: new, to: new).parts.isEmpty)
    }

    @Test("settings of requests do not affect the process")
    func routeSide() throws {
        #expect(try change { $0.paths = [] } == .rerouted)
        #expect(try change { $0.websocket = true } == .rerouted)
        #expect(try change { $0.headers = [.init(name: "X", parts: [.host])] } == .rerouted)
        #expect(try change { $0.target.path = "/x" } == .rerouted)
        #expect(try change { $0.target.authority = "b" } == .rerouted)
        #expect(try change { $0.onReload = .restart } == .rerouted)
        #expect(try change { $0.policy.closeJitter = .zero } == .rerouted)
        #expect(try change { $0.policy.drainTimeout = .zero } == .rerouted)
    }

    @Test("settings of the process apply at its next start, unless the file requires otherwise")
    func processSide() throws {
        let edits: [(inout Configuration.Service) -> Void] = [
            { $0.launch?.command = "y" }, { $0.launch?.arguments = ["y"] }, { $0.launch?.workingDirectory = "y" },
            { $0.launch?.environment = [.init(name: "A", value: "1")] }, { $0.target.address = .unix(path: "/x") },
            { $0.policy.startupTimeout = .seconds(1) }, { $0.policy.idleTimeout = nil },
            { $0.policy.stopPlan = StopPlan(steps: []) }, { $0.policy.alwaysOn = true },
        ]
        for edit in edits {
            #expect(try change(edit) == .changed(restarts: false))
            let restarting = try change {
                edit(&$0)
                $0.onReload = .restart
            }
            #expect(restarting == .changed(restarts: true))
        }
    }

    @Test("enabled is a change of its own, whatever else changes")
    func switching() throws {
        let off = try Self.service("a") { $0.enabled = false }
        let changed = try Self.service("a") { $0.launch?.command = "y" }
        #expect(plan([off], [changed]).changes == [.enabled])
        #expect(plan([changed], [off]).changes == [.disabled])
        #expect(
            plan([off], [try Self.service("a") { ($0.enabled, $0.onReload) = (false, .restart) }]).changes == [
                .rerouted
            ])
        let asleep = try Self.service("a") {
            ($0.enabled, $0.onReload) = (false, .restart)
            $0.launch?.command = "y"
        }
        #expect(plan([off], [asleep]).changes == [.changed(restarts: false)])
    }

    @Test("a service with and one without a command are two services of one name")
    func replaced() throws {
        let (with, without) = (try Self.service("a"), try Self.service("a") { $0.launch = nil })
        for (old, new) in [(with, without), (without, with)] {
            let plan = plan([old], [new])
            #expect(plan.changes == [.replaced])
            #expect(plan.leaving == [0])
        }
        let plain = plan([without], [try Self.service("a", port: 9) { $0.launch = nil }])
        #expect(plain.changes == [.changed(restarts: false)])
    }

    @Test("a process on an address that another service needs is replaced at once")
    func inTheWay() throws {
        let (a, b) = (try Self.service("a", port: 1), try Self.service("b", port: 2))
        let swapped = plan([a, b], [try Self.service("a", port: 2), try Self.service("b", port: 1)])
        #expect(swapped.changes == [.changed(restarts: true), .changed(restarts: true)])
        let aside = [try Self.service("a", port: 3), b]
        #expect(plan([a, b], aside).changes == [.changed(restarts: false), .unchanged])
        let disabled = try Self.service("c", port: 1) { $0.enabled = false }
        #expect(plan([a], [try Self.service("a", port: 3), disabled]).changes == [.changed(restarts: false), .added])
    }

    @Test("a managed process has the same changes, and waits for no other user of its address")
    func processes() throws {
        func process(_ name: String, _ port: UInt16 = 1) -> Configuration.Process {
            Configuration.Process(
                name: name, launch: LaunchCommand(command: "x"), address: .ipv4(octets: [127, 0, 0, 1], port: port))
        }
        func plan(_ old: [Configuration.Process], _ new: [Configuration.Process]) -> ReloadPlan {
            ReloadPlan(from: Configuration(processes: old), to: Configuration(processes: new))
        }
        var (changed, off) = (process("a"), process("a"))
        changed.policy.requires = ["b"]
        off.enabled = false
        #expect(
            plan([process("a"), process("b", 2)], [process("b", 2), changed]).processChanges == [
                .unchanged, .changed(restarts: false),
            ])
        #expect(plan([process("a")], [process("b")]).removedProcesses == [0])
        #expect(plan([process("a")], [off]).processChanges == [.disabled])
        #expect(plan([off], [process("a")]).processChanges == [.enabled])
        #expect(
            plan([process("a")], [process("a", 2), process("b")]).processChanges == [.changed(restarts: true), .added])
        changed.onReload = .restart
        #expect(plan([process("a")], [changed]).processChanges == [.changed(restarts: true)])
    }

    @Test("settings are all keys outside services and listeners")
    func settings() {
        let old = Configuration()
        let edits: [(inout Configuration) -> Void] = [
            { $0.log.level = .debug }, { $0.drainTimeout = .zero }, { $0.environment = [.init(name: "A", value: "")] },
        ]
        for edit in edits {
            var new = old
            edit(&new)
            #expect(ReloadPlan(from: old, to: new).changesSettings)
        }
        var new = old
        new.listen = [.unix(path: "/x")]
        new.status = .init(listen: .unix(path: "/y"))
        #expect(!ReloadPlan(from: old, to: new).changesSettings)
    }

    @Test("a summary lists the changes, and is empty without changes")
    func summary() throws {
        let (a, b) = (try Self.service("a"), try Self.service("b", port: 2))
        var old = Configuration(listen: [.unix(path: "/x")], services: [a, b])
        var new = old
        #expect(ReloadSummary(ReloadPlan(from: old, to: new), from: old, to: new).parts.isEmpty)
        old.services.append(try Self.service("c", port: 3))
        new.services[1] = try Self.service("b", port: 4) { $0.onReload = .restart }
        new.services.append(try Self.service("d", port: 5))
        new.listen = [.unix(path: "/y")]
        new.log.level = .debug
        let parts = ReloadSummary(ReloadPlan(from: old, to: new), from: old, to: new).parts
        #expect(
            parts.map { "\($0.name)=\($0.what)" } == [
                "added=d", "changed=b", "restarted=b", "removed=c", "opened=unix:/y", "closed=unix:/x",
                "settings=changed",
            ])
    }
}

/// The listeners that stay open.
struct ListenerDiffTests {
    private func door(_ port: UInt16, _ purpose: ListenerSpec.Purpose = .clients) -> ListenerSpec {
        ListenerSpec(place: .address(.ipv4(octets: [127, 0, 0, 1], port: port)), purpose: purpose)
    }

    @Test("a configured address stays open, at any position in the list")
    func kept() {
        let plan = ListenerDiff(from: [door(1), door(2), door(3)], to: [door(3), door(4), door(1)])
        #expect(plan.sources == [2, nil, 0])
        #expect(plan.closed == [1])
    }

    @Test("an address with a new purpose is not opened twice")
    func purpose() {
        let plan = ListenerDiff(from: [door(1), door(2, .status)], to: [door(2), door(1, .status)])
        #expect(plan.sources == [1, 0])
        #expect(plan.closed == [])
    }

    @Test("names and token of the status listener are settings; its address is not")
    func statusSettings() throws {
        let configuration = { (port: UInt16, token: String?, names: [String]) in
            let listen = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: port)
            return Configuration(status: .init(listen: listen, token: token.flatMap(BearerToken.init), names: names))
        }
        let secret = "0123456789abcdef"
        let old = configuration(1, secret, ["a"])
        let edits = { ReloadPlan(from: old, to: $0).changesSettings }
        #expect(!edits(old) && !edits(configuration(2, secret, ["a"])))
        #expect(edits(configuration(1, nil, ["a"])) && edits(configuration(1, secret, [])))
        #expect(edits(configuration(2, secret, ["b"])))
    }

    @Test("an inherited socket stays, and never becomes the control socket")
    func inherited() {
        let web = ListenerSpec(place: .inherited("web"), purpose: .clients)
        #expect(
            ListenerDiff(from: [web, door(1)], to: [web]) == ListenerDiff(from: [door(2), door(1)], to: [door(2)]))
        #expect(ListenerDiff(from: [web], to: [door(1)]).sources == [nil])
        #expect(ListenerDiff(from: [door(1)], to: [door(1, .control)]).sources == [nil])
        #expect(ListenerDiff(from: [door(1)], to: [door(1, .proxyProtocol)]).sources == [0])
    }

    @Test("a port that the system chose keeps its purpose, one for each use")
    func chosenPorts() {
        #expect(ListenerDiff(from: [door(0), door(0)], to: [door(0)]).closed == [1])
        #expect(ListenerDiff(from: [door(0)], to: [door(0), door(0)]).sources == [0, nil])
        #expect(ListenerDiff(from: [door(0)], to: [door(0, .status)]).sources == [nil])
    }
}
