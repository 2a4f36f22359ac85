@testable import OnDemand

/// A scenario from a seed: every number is drawn, and each kind of fault is absent from many seeds.
extension Scenario {
    static func drawn(seed: UInt64) -> Scenario {
        var dice = Seeded(seed: seed)
        var scenario = Scenario(seed: seed, faults: .drawn(with: &dice), logLevel: .info)
        let isRough = dice.chance(50)
        scenario.services = (0..<dice.number(in: 1...2)).map { _ in .drawn(with: &dice, isRough: isRough) }
        // Without socket lookups, the daemon may need 500 ms to find a healthy listener.
        for index in scenario.services.indices where scenario.faults.slowTurns > 0 {
            scenario.services[index].policy.startupTimeout = max(
                scenario.services[index].policy.startupTimeout, .seconds(1))
        }
        let span = dice.one(of: [Duration.milliseconds(50), .seconds(3), .seconds(30)])
        scenario.clients = (0..<dice.number(in: 1...8)).map { _ in
            .drawn(with: &dice, within: span, services: scenario.services)
        }
        if dice.chance(15) { scenario.terminates = dice.duration(.zero ... .seconds(12)) }
        if dice.chance(5) { scenario.descriptorLimit = dice.number(in: 4...14) }
        if dice.chance(25) {
            scenario.operations = .drawn(with: &dice, within: span, services: scenario.services.count)
        }
        if dice.chance(3) { scenario.clockJump = (dice.duration(.zero ... .seconds(10)), .seconds(86_400)) }
        if dice.chance(40) { scenario.drawProcesses(with: &dice, isRough: isRough) }
        if dice.chance(20), scenario.operations.isEmpty {
            let changes = scenario.processes.isEmpty ? Reload.Change.all : Reload.Change.calm
            scenario.reloads = .drawn(with: &dice, of: changes, services: scenario.services.count)
        }
        // A separate generator: seeds with one thread keep their meaning.
        var others = Seeded(seed: ~seed)
        scenario.threads = others.one(of: [1, 1, 2, 3])
        if others.chance(25) {
            scenario.guardDeaths = (0..<others.number(in: 1...4)).map { _ in
                others.duration(.zero...others.one(of: [.milliseconds(3), .seconds(3)]))
            }
        }
        scenario.drawCables()
        scenario.drawCableBackends()
        return scenario
    }

    /// A generator of their own, again so that other seeds keep their meaning.
    private mutating func drawCables() {
        var dice = Seeded(seed: seed ^ 0x6361_626c_6573)
        guard dice.chance(50) else { return }
        cables = .drawn(with: &dice)
        guard dice.chance(30) else { return }
        let span = cables?.end ?? .zero
        reloads += (0..<dice.number(in: 1...4)).map { _ in
            Reload(
                at: dice.duration(.zero...min(span, .seconds(20))), change: dice.one(of: Reload.Change.ofCables),
                cable: dice.below(cables?.cables.count ?? 1))
        }
    }

    /// An earlier process may require a later one, so there are no cycles.
    private mutating func drawProcesses(with dice: inout Seeded, isRough: Bool) {
        processes = (0..<dice.number(in: 1...2)).map { _ in .drawn(with: &dice, isRough: isRough) }
        let names = processes.indices.map { "p\($0)" }
        for index in services.indices { services[index].policy.requires = names.filter { _ in dice.chance(60) } }
        if processes.count == 2, dice.chance(40) { processes[0].policy.requires = ["p1"] }
        if services.count == 2, dice.chance(20) { services[0].policy.requires.append("s1") }
    }
}

extension Scenario.Reload.Change {
    fileprivate static let all: [Scenario.Reload.Change] = [
        .nothing, .broken, .remove, .add, .add, .disable, .enable, .enable, .rename, .move, .replace(atOnce: false),
        .replace(atOnce: true), .toggleLaunch, .toggleSecondListener,
    ]
    fileprivate static let ofCables: [Scenario.Reload.Change] = [
        .cable(.presence), .cable(.presence), .cable(.enabling), .cable(.prefix), .cable(.limits), .cable(.limits),
        .cable(.streams),
    ]
    /// Required services stay.
    fileprivate static let calm: [Scenario.Reload.Change] = [
        .nothing, .broken, .replace(atOnce: false), .toggleSecondListener, .toggleRequirements, .toggleProcesses,
    ]
}

extension [Scenario.Reload] {
    fileprivate static func drawn(
        with dice: inout Seeded, of changes: [Scenario.Reload.Change], services: Int
    ) -> [Scenario.Reload] {
        (0..<dice.number(in: 1...6)).map { _ in
            Scenario.Reload(
                at: dice.duration(.zero ... .seconds(12)), change: dice.one(of: changes), service: dice.below(services))
        }
    }
}

extension [(at: Duration, service: Int, operation: BackendOperation)] {
    fileprivate static func drawn(with dice: inout Seeded, within span: Duration, services: Int) -> Self {
        (0..<dice.number(in: 1...6)).map { _ in
            (
                dice.duration(.zero...span + .seconds(5)), dice.below(services),
                dice.one(of: BackendOperation.allCases)
            )
        }
    }
}

extension Scenario.Service {
    fileprivate static func drawn(with dice: inout Seeded, isRough: Bool) -> Scenario.Service {
        var service = Scenario.Service()
        service.policy.startupTimeout = dice.duration(.milliseconds(400) ... .seconds(2))
        service.policy.idleTimeout = dice.one(of: [.milliseconds(1), .milliseconds(300), .seconds(2), .seconds(20)])
        service.policy.stopPlan = dice.one(of: [
            .politely(for: .seconds(1)),
            StopPlan(steps: [
                .init(signal: .interrupt, timeout: .milliseconds(300)),
                .init(signal: .terminate, timeout: .milliseconds(700)),
            ]),
            StopPlan(steps: []),
        ])
        service.policy.maximumQueue = dice.one(of: [256, 256, 256, 2])
        service.policy.alwaysOn = dice.chance(10)
        if dice.chance(10) { service.policy.minimumSleep = dice.duration(.zero ... .seconds(4)) }
        if dice.chance(10) { service.wakeOn = WakeRule(conditions: [.upgrade]) }
        service.policy.readiness = dice.one(of: [
            .tcp, .tcp, .http(path: BackendConversation.probePath, status: .success),
            .webSocket(path: BackendConversation.probePath), .notify, .socket,
        ])
        service.picksPort = dice.chance(20)
        service.webSocket = true
        service.children = (0..<dice.number(in: 1...4)).map { _ in .drawn(with: &dice, isRough: isRough) } + [.healthy]
        // No foreign listener can use an address on which the daemon itself listens.
        if isRough, dice.chance(10), service.policy.readiness != .socket {
            // Only while no backend starts there: a separate test covers the time between.
            service.foreignListener = (.zero, dice.duration(.milliseconds(1) ... .seconds(5)))
        }
        return service
    }
}

extension Scenario.Process {
    fileprivate static func drawn(with dice: inout Seeded, isRough: Bool) -> Scenario.Process {
        var process = Scenario.Process()
        process.policy.idleTimeout = dice.one(of: [.milliseconds(1), .milliseconds(300), .seconds(2)])
        process.policy.alwaysOn = dice.chance(40)
        process.policy.restarts = dice.chance(85)
        process.hasAddress = dice.chance(70)
        if process.policy.alwaysOn, dice.chance(30) { process.startDelay = dice.duration(.zero ... .seconds(3)) }
        process.children = (0..<dice.number(in: 1...3)).map { _ in .drawn(with: &dice, isRough: isRough) } + [.healthy]
        return process
    }
}

extension ChildScript {
    fileprivate static func drawn(with dice: inout Seeded, isRough: Bool) -> ChildScript {
        var script = ChildScript()
        script.listensAfter = dice.duration(.zero ... .milliseconds(120))
        script.notifiesAfter = dice.duration(.zero ... .milliseconds(180))
        if dice.chance(20) { script.foreignMessage = (dice.duration(.zero ... .milliseconds(100)), "READY=1") }
        if dice.chance(30) { script.isUpAfter = dice.duration(.zero ... .milliseconds(180)) }
        script.lingers = dice.duration(.zero ... .milliseconds(500))
        script.ignoresTerminate = dice.chance(10)
        script.closesListenerAtOnce = dice.chance(70)
        script.answersAfter = dice.duration(.zero ... .milliseconds(300))
        script.keepAlive = .drawn(with: &dice)
        if dice.chance(30) { script.output = drawnOutput(&dice) }
        if dice.chance(25) {
            script.grandchild = .init(
                bornAfter: dice.duration(.zero ... .milliseconds(50)), ignoresTerminate: dice.chance(30),
                lingers: dice.duration(.zero ... .milliseconds(800)), keepsPort: dice.chance(40),
                keepsPipes: dice.chance(60), isDetached: dice.chance(30),
                staysFor: dice.chance(30) ? .seconds(3) : nil)
        }
        if isRough, dice.chance(50) { spoil(&script, &dice) }
        return script
    }

    private static func drawnOutput(_ dice: inout Seeded) -> [Output] {
        (0..<dice.number(in: 1...4)).map { _ in
            let text = dice.one(of: ["booting\n", "no end of line", "a\nb\r\nc", ""])
            let repeats = dice.one(of: [1, 1, 30, 300])
            return Output(
                after: dice.duration(.zero ... .milliseconds(400)),
                bytes: Array(String(repeating: text, count: repeats).utf8))
        }
    }

    private static func spoil(_ script: inout ChildScript, _ dice: inout Seeded) {
        switch dice.below(8) {
        case 0: script.listensAfter = nil
        case 1: script.exitsAfter = dice.duration(.zero ... .seconds(3))
        case 2: script.crashesAtRequest = dice.number(in: 1...3)
        case 3: script.manners = .garbage
        case 4: script.manners = .breaksOff
        case 5: script.manners = .closesAtOnce
        case 6: script.manners = .silent
        default:
            script.accepts = false
            script.backlog = dice.number(in: 1...3)
        }
        script.exit = dice.one(of: [.status(0), .status(1), .signal(11)])
    }
}

extension ChildScript.KeepAlive {
    fileprivate static func drawn(with dice: inout Seeded) -> ChildScript.KeepAlive? {
        guard dice.chance(85) else { return nil }
        var keepAlive = ChildScript.KeepAlive()
        if dice.chance(30) { keepAlive.replies = dice.number(in: 1...3) }
        keepAlive.isAnnounced = dice.chance(50)
        keepAlive.silence = dice.one(of: [.milliseconds(1), .milliseconds(5), .milliseconds(400), .seconds(5)])
        keepAlive.addsSurplus = dice.chance(15)
        return keepAlive
    }
}

extension ClientScript {
    fileprivate static func drawn(
        with dice: inout Seeded, within span: Duration, services: [Scenario.Service]
    ) -> ClientScript {
        var script = ClientScript()
        script.arrives = dice.duration(.zero...span)
        script.service = dice.below(services.count)
        script.requests = (0..<dice.one(of: [0, 1, 1, 1, 2, 4])).map { _ in .drawn(with: &dice) }
        // A tunnel ends the sequence of requests.
        if dice.chance(40) {
            var chat = Request(.chat(.drawn(with: &dice)))
            chat.isEager = dice.chance(30)
            script.requests.append(chat)
        }
        script.isPipelined = dice.chance(20) && script.requests.dropLast().allSatisfy { !$0.upgrades }
        script.thinks = dice.one(of: [.zero, .milliseconds(5), .milliseconds(400), .seconds(3)])
        if dice.chance(20) {
            let isLarge = script.requests.contains { ($0.post?.count ?? 0) > 1000 }
            let pause = dice.duration(.microseconds(50) ... .milliseconds(10))
            script.pieces = (dice.number(in: (isLarge ? 100 : 1)...300), pause)
        }
        // The duration of a large body has no limit.
        if dice.chance(10), script.requests.allSatisfy({ ($0.post?.count ?? 0) < 1000 }) {
            script.pieces = (dice.number(in: 20...60), .seconds(4))
        }
        if dice.chance(10) { script.reading = .slow(bytes: dice.number(in: 100...9000), every: .milliseconds(20)) }
        // A tunnel has no timeout of its own: a client that never reads must leave at some time.
        if dice.chance(3), script.requests.allSatisfy({ !$0.upgrades }) { script.reading = .never }
        if dice.chance(25) {
            script.leaves = (dice.duration(.zero ... .seconds(2)), dice.one(of: [.close, .reset, .end]))
        }
        return script
    }
}

extension ClientScript.Request {
    fileprivate static func drawn(with dice: inout Seeded) -> ClientScript.Request {
        let size = dice.one(of: [0, 1, 300, 5000, 70_000])
        var request = ClientScript.Request(
            dice.one(of: [.length(size), .length(size), .chunked(size), .untilClose(size), .nothing, .refusedUpgrade]))
        if !request.upgrades, dice.chance(30) {
            request.post = .init(count: dice.one(of: [0, 1, 500, 70_000]), isChunked: dice.chance(50))
        } else if !request.upgrades, dice.chance(10) {
            request.isHead = true
        } else if dice.chance(5) {
            request.isLost = true
        }
        return request
    }
}

extension ScenarioRequest.Chat {
    fileprivate static func drawn(with dice: inout Seeded) -> ScenarioRequest.Chat {
        ScenarioRequest.Chat(
            up: dice.one(of: [0, 3, 40]), down: dice.one(of: [0, 3, 40, 120]), ending: dice.one(of: Ending.allCases),
            pause: dice.one(of: [.milliseconds(1), .milliseconds(20), .milliseconds(500)]),
            burst: dice.one(of: [100, 2000, 30_000]))
    }
}
