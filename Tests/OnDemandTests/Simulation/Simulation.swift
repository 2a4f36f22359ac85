@testable import OnDemand

/// A whole daemon in a simulated world, run from its first breath to its last, and judged.
final class Simulation {
    let plan: Plan
    let kernel: SimulatedKernel
    /// nil when the daemon could not even begin.
    private(set) var household: Household<SimulatedKernel>?
    private(set) var clients: [VirtualClient] = []
    private(set) var operators: [VirtualOperator] = []
    private(set) var turns = 0
    /// What the configuration file says by now.
    var variant: Plan.Variant
    var fileIsBroken = false
    /// How far the kernel's count had come when a turn was last judged.
    var judgedProgress = -1

    var complaints: [String] { kernel.complaints }

    init(_ plan: Plan) {
        self.plan = plan
        variant = Plan.Variant(plan)
        kernel = SimulatedKernel(seed: plan.seed)
        kernel.failingCall = plan.failingCall
        kernel.guardDeaths = plan.guardDeaths.reversed()
        kernel.hidesSockets = plan.hidesSockets
        kernel.failingErrno = plan.failingErrno
        for (index, service) in plan.services.enumerated() {
            kernel.children.add(service.children, service.policy, at: Plan.address(of: index))
        }
        for (index, process) in plan.processes.enumerated() {
            kernel.children.add(process.children, process.policy, at: Plan.address(of: plan.services.count + index))
        }
        for number in kernel.children.services {
            kernel.children.requirements.append(plan.requirements(of: number))
            let hasAddress = number < plan.services.count || plan.processes[number - plan.services.count].hasAddress
            kernel.children.tellsReadiness.append(hasAddress)
        }
    }

    /// A simulation that has run to its end.
    static func run(_ plan: Plan, verbosely: Bool = false) throws -> Simulation {
        let simulation = Simulation(plan)
        simulation.kernel.trace.isVerbose = verbosely
        try simulation.run()
        return simulation
    }

    func run() throws {
        defer { kernel.dismantle() }
        let configuration = try plan.configuration(variant)
        arrangeStrangers()
        do throws(SystemError) {
            household = try Household(configuration, kernel: kernel) { [unowned self] in reread() }
        } catch {
            if plan.failingCall == 0 { kernel.complain("the daemon could not begin: \(error)") }
            return
        }
        kernel.faults = plan.faults
        // Bells are there from the start, and no client's.
        kernel.descriptorLimit = plan.descriptorLimit + (plan.reactors > 1 ? plan.reactors : 0)
        kernel.isCramped = plan.descriptorLimit < 1024 || plan.faults.smallBuffers > 0 && plan.faults.slowNetwork > 0
        // Somebody else gives some back.
        kernel.plan(after: .seconds(120)) { [kernel] in kernel.descriptorLimit = 1024 }
        arrange()
        runUntilQuiet()
        if plan.terminates == nil, household?.hasLeft == false {
            judgeQuiet()
            if plan.asksAgain { askAgain() }
            kernel.raise(.terminate)
            kernel.wake()
            runUntilQuiet()
        }
        kernel.runWithoutDaemon()
        judgeDeparture()
        clients.forEach(judge)
        operators.forEach(judge)
    }

    // MARK: The world

    private func arrange() {
        for (number, script) in plan.clients.enumerated() { addClient(number + 1, script) }
        for (number, order) in plan.orders.enumerated() {
            addOperator(number + 1, order.service, order.order, after: order.at)
        }
        arrangeReloads()
        if let moment = plan.terminates { kernel.plan(after: moment) { [kernel] in kernel.raise(.terminate) } }
        for (moment, signal) in plan.signals { kernel.plan(after: moment) { [kernel] in kernel.raise(signal) } }
        if let (moment, seconds) = plan.wallJump {
            kernel.plan(after: moment) { [kernel] in kernel.wallOffset += seconds }
        }
        if let moment = plan.takesPickedPort { kernel.plan(after: moment) { [weak self] in self?.takePickedPort() } }
        if let (moment, jump) = plan.clockJump {
            kernel.plan(after: moment) { [kernel] in
                kernel.clock = kernel.clock + jump
                kernel.hasJumped = true
            }
        }
    }

    private func addOperator(_ number: Int, _ service: Int, _ order: BackendOrder, after delay: Duration) {
        let affected = plan.services.indices.filter {
            $0 == service || plan.allRequirements(of: $0).contains(service)
        }
        let script = VirtualOperator(
            number: number, service: service, order: order, affected: affected, kernel: kernel)
        operators.append(script)
        kernel.plan(after: delay) { script.arrive() }
    }

    private func addClient(_ number: Int, _ script: ClientScript) {
        clients.append(VirtualClient(number: number, script: script, kernel: kernel, address: Plan.publicAddress))
    }

    private func takePickedPort() {
        let address = kernel.children.addresses[0]
        guard kernel.listeners[address] == nil else { return kernel.complain("the port is bound already") }
        kernel.note(trouble: "a stranger", of: 0)
        let listener = SimulatedListener(address: address, isStranger: true)
        kernel.listeners[address] = listener
    }

    private func arrangeStrangers() {
        for (index, service) in plan.services.enumerated() {
            if let stranger = service.stranger { arrange(stranger, at: Plan.address(of: index), service: index) }
        }
    }

    /// Accepts everybody and says nothing: no request may ever reach it.
    private func arrange(_ stay: (arrives: Duration, leaves: Duration), at address: SocketAddress, service: Int) {
        let listener = SimulatedListener(address: address, isStranger: true)
        let arrive = { [kernel] in
            guard kernel.listeners[address] == nil else { return }
            kernel.note(trouble: "a stranger", of: service)
            kernel.listeners[address] = listener
        }
        if stay.arrives == .zero { arrive() } else { kernel.plan(after: stay.arrives, arrive) }
        kernel.plan(after: stay.leaves) { [kernel] in
            guard kernel.listeners[address] === listener else { return }
            if listener.queue.contains(where: { $0.waitingCount > 0 }) {
                kernel.complain("a request reached a stranger that listens where service \(service) should")
            }
            kernel.listeners[address] = nil
            listener.close()
        }
    }

    // MARK: Running

    private func runUntilQuiet() {
        guard let household else { return }
        while !household.hasLeft || !household.carriers.allSatisfy(\.hasEnded), !kernel.isQuiet {
            turn(household)
            turns += 1
            judgeTurn(household)
            guard turns < 400_000 else { return kernel.complain("the world does not come to rest") }
        }
    }

    private func turn(_ household: Household<SimulatedKernel>) {
        guard !household.carriers.isEmpty else { return household.reactor.turn(household) }
        // Who turns next is the seed's choice among those who have something to do; only when nobody has, time passes.
        var turns: [() -> Void] = []
        var deadlines: [Instant] = []
        func consider(_ view: Int, _ deadline: Instant?, _ turn: @escaping () -> Void) {
            if let deadline { deadlines.append(deadline) }
            if kernel.hasEvents(for: view) || deadline.map({ $0 <= kernel.clock }) ?? false { turns.append(turn) }
        }
        if !household.hasLeft { consider(0, household.reactor.deadline) { household.reactor.turn(household) } }
        for (position, carrier) in household.carriers.enumerated() where !carrier.hasEnded {
            consider(position + 1, carrier.reactor.deadline) { carrier.reactor.turn(carrier) }
        }
        guard !turns.isEmpty else { return kernel.sleep(until: deadlines) }
        kernel.dice.one(of: turns)()
    }

    /// No state may last for ever: whatever happened, after a rest everything works again.
    private func askAgain() {
        kernel.faults = .none
        kernel.failingCall = 0
        kernel.descriptorLimit = 1024
        restoreConfiguration()
        let first = clients.count
        for number in kernel.children.services {
            kernel.children.heal(number)
            for process in kernel.children.all where process.service == number && process.isLeader && process.isSpoilt {
                process.end(.signal(9))
            }
        }
        for (index, service) in plan.services.enumerated() where service.launches && service.isEnabled {
            if !plan.orders.isEmpty {
                addOperator(1000 + index, index, .enable, after: .zero)
                addOperator(2000 + index, index, .unpin, after: .milliseconds(1))
            }
            // Longer than any rest after a failure, its own and of what it requires, and what wakes everybody.
            let moment = Duration.seconds(plan.processes.isEmpty ? 61 : 125)
            var script = ClientScript.chat(at: moment)
            if service.wakeOn == .any { script = .get(at: moment) }
            script.service = index
            addClient(1000 + index, script)
        }
        kernel.wake()
        runUntilQuiet()
        for client in clients[first...] where client.exchanges[0].outcome != client.exchanges[0].expectedOutcome {
            kernel.complain("afterwards service \(client.script.service) answers \(client.exchanges[0].outcome)")
        }
        judgeQuiet()
    }
}

extension ChildTable {
    mutating func add(_ children: [ChildScript], _ policy: BackendPolicy, at address: SocketAddress) {
        scripts.append(children)
        addresses.append(address)
        startupTimeouts.append(policy.startupTimeout)
        starts.append(0)
    }

    /// From now on its processes are sound.
    mutating func heal(_ service: Int) { scripts[service] = [.healthy] }
}
