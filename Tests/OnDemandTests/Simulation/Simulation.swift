@testable import OnDemand

/// A whole daemon in a simulated world, from start to exit, with all checks.
final class Simulation {
    let scenario: Scenario
    let kernel: SimulatedKernel
    /// nil when the daemon could not start.
    private(set) var daemon: Daemon<SimulatedKernel>?
    private(set) var clients: [VirtualClient] = []
    private(set) var operators: [VirtualOperator] = []
    private(set) var turns = 0
    /// The current content of the configuration file.
    var variant: Scenario.Variant
    var fileIsBroken = false
    /// nil: there are no cables.
    let cableWorld: CableWorld?
    /// The kernel's progress at the last check of an iteration.
    var judgedProgress = -1

    var complaints: [String] { kernel.complaints }

    init(_ scenario: Scenario) {
        self.scenario = scenario
        variant = Scenario.Variant(scenario)
        let kernel = SimulatedKernel(seed: scenario.seed)
        self.kernel = kernel
        cableWorld = scenario.cables.map { CableWorld($0, kernel) }
        kernel.cableWorld = cableWorld
        kernel.failingCall = scenario.failingCall
        kernel.guardDeaths = scenario.guardDeaths.reversed()
        kernel.hidesSockets = scenario.hidesSockets
        kernel.failingErrno = scenario.failingErrno
        for (index, service) in scenario.services.enumerated() {
            kernel.children.add(service.children, service.policy, at: Scenario.address(of: index))
        }
        for (index, process) in scenario.processes.enumerated() {
            kernel.children.add(
                process.children, process.policy, at: Scenario.address(of: scenario.services.count + index))
        }
        for number in kernel.children.services {
            kernel.children.requirements.append(scenario.requirements(of: number))
            let hasAddress =
                number < scenario.services.count || scenario.processes[number - scenario.services.count].hasAddress
            kernel.children.tellsReadiness.append(hasAddress)
        }
    }

    /// Runs a scenario to its end and returns the simulation.
    static func run(_ scenario: Scenario, verbosely: Bool = false) throws -> Simulation {
        let simulation = Simulation(scenario)
        simulation.kernel.trace.isVerbose = verbosely
        try simulation.run()
        return simulation
    }

    func run() throws {
        defer { kernel.dismantle() }
        let configuration = try scenario.configuration(variant)
        arrangeForeignListeners()
        do throws(SystemError) {
            daemon = try Daemon(configuration, kernel: kernel) { [unowned self] in loadConfiguration() }
        } catch {
            if scenario.failingCall == 0 { kernel.complain("the daemon could not begin: \(error)") }
            return
        }
        kernel.faults = scenario.faults
        // Wakeup descriptors exist from the start and belong to no client.
        kernel.descriptorLimit = scenario.descriptorLimit + (scenario.threads > 1 ? scenario.threads : 0)
        kernel.isCramped =
            scenario.descriptorLimit < 1024 || scenario.faults.smallBuffers > 0 && scenario.faults.slowNetwork > 0
        // Another process frees some descriptors.
        kernel.scenario(after: .seconds(120)) { [kernel] in kernel.descriptorLimit = 1024 }
        arrange()
        runUntilQuiet()
        if scenario.terminates == nil, daemon?.hasExited == false {
            judgeQuiet()
            if scenario.asksAgain { retry() }
            kernel.raise(.terminate)
            kernel.wake()
            runUntilQuiet()
        }
        kernel.runWithoutDaemon()
        judgeDeparture()
        clients.forEach(judge)
        operators.forEach(judge)
        cableWorld?.judgeOrder()
    }

    // MARK: The world

    private func arrange() {
        for (number, script) in scenario.clients.enumerated() { addClient(number + 1, script) }
        for (number, planned) in scenario.operations.enumerated() {
            addOperator(number + 1, planned.service, planned.operation, after: planned.at)
        }
        arrangeReloads()
        cableWorld?.arrange()
        if scenario.terminates != nil { cableWorld?.mayRestart = true }
        if let moment = scenario.terminates { kernel.scenario(after: moment) { [kernel] in kernel.raise(.terminate) } }
        for (moment, signal) in scenario.signals { kernel.scenario(after: moment) { [kernel] in kernel.raise(signal) } }
        if let (moment, seconds) = scenario.wallJump {
            kernel.scenario(after: moment) { [kernel] in kernel.wallOffset += seconds }
        }
        if let moment = scenario.takesPickedPort {
            kernel.scenario(after: moment) { [weak self] in self?.takePickedPort() }
        }
        if let (moment, jump) = scenario.clockJump {
            kernel.scenario(after: moment) { [kernel] in
                kernel.clock = kernel.clock + jump
                kernel.hasJumped = true
            }
        }
    }

    private func addOperator(_ number: Int, _ service: Int, _ operation: BackendOperation, after delay: Duration) {
        let affected = scenario.services.indices.filter {
            $0 == service || scenario.allRequirements(of: $0).contains(service)
        }
        let script = VirtualOperator(
            number: number, service: service, operation: operation, affected: affected, kernel: kernel)
        operators.append(script)
        kernel.scenario(after: delay) { script.arrive() }
    }

    private func addClient(_ number: Int, _ script: ClientScript) {
        clients.append(VirtualClient(number: number, script: script, kernel: kernel, address: Scenario.publicAddress))
    }

    private func takePickedPort() {
        let address = kernel.children.addresses[0]
        guard kernel.listeners[address] == nil else { return kernel.complain("the port is bound already") }
        kernel.troubles.begin(.foreignListener, of: 0, at: kernel.clock)
        let listener = SimulatedListener(address: address, isForeign: true)
        kernel.listeners[address] = listener
    }

    private func arrangeForeignListeners() {
        for (index, service) in scenario.services.enumerated() {
            if let foreignListener = service.foreignListener {
                arrange(foreignListener, at: Scenario.address(of: index), service: index)
            }
        }
    }

    /// Installs a foreign listener that accepts all connections and sends nothing: no request may ever reach it.
    private func arrange(_ stay: (arrives: Duration, leaves: Duration), at address: SocketAddress, service: Int) {
        let listener = SimulatedListener(address: address, isForeign: true)
        let arrive = { [kernel] in
            guard kernel.listeners[address] == nil else { return }
            kernel.note(.foreignListener, of: service)
            kernel.listeners[address] = listener
        }
        if stay.arrives == .zero { arrive() } else { kernel.scenario(after: stay.arrives, arrive) }
        kernel.scenario(after: stay.leaves) { [kernel] in
            guard kernel.listeners[address] === listener else { return }
            kernel.note(.foreignListener, of: service)
            if listener.queue.contains(where: { $0.queueLength > 0 }) {
                kernel.complain("a request reached a foreign listener on the address of service \(service)")
            }
            kernel.listeners[address] = nil
            listener.close()
        }
    }

    // MARK: Running

    private func runUntilQuiet() {
        guard let daemon else { return }
        while !daemon.hasExited || !daemon.workers.allSatisfy(\.hasEnded), !kernel.isQuiet {
            runOnce(daemon)
            turns += 1
            judgeTurn(daemon)
            guard turns < 400_000 else { return kernel.complain("the simulation does not come to rest") }
        }
    }

    private func runOnce(_ daemon: Daemon<SimulatedKernel>) {
        guard !daemon.workers.isEmpty else { return daemon.reactor.runOnce(daemon) }
        // The seed chooses the next thread among those with events; time passes only when there is none.
        var turns: [() -> Void] = []
        var deadlines: [Instant] = []
        func consider(_ view: Int, _ deadline: Instant?, _ turn: @escaping () -> Void) {
            if let deadline { deadlines.append(deadline) }
            if kernel.hasEvents(for: view) || deadline.map({ $0 <= kernel.clock }) ?? false { turns.append(turn) }
        }
        if !daemon.hasExited { consider(0, daemon.reactor.deadline) { daemon.reactor.runOnce(daemon) } }
        for (position, worker) in daemon.workers.enumerated() where !worker.hasEnded {
            consider(position + 1, worker.reactor.deadline) { worker.reactor.runOnce(worker) }
        }
        guard !turns.isEmpty else { return kernel.sleep(until: deadlines) }
        kernel.dice.one(of: turns)()
    }

    /// Checks that no failed state is permanent: after a pause every service responds again.
    private func retry() {
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
        for (index, service) in scenario.services.enumerated() where service.launches && service.isEnabled {
            if !scenario.operations.isEmpty {
                addOperator(1000 + index, index, .enable, after: .zero)
                addOperator(2000 + index, index, .unpin, after: .milliseconds(1))
            }
            // Longer than any backoff after a failure, of the service and of its requirements, and longer than every
            // minimum sleep.
            let moment = Duration.seconds(scenario.processes.isEmpty ? 61 : 125)
            var script = ClientScript.chat(at: moment)
            if service.wakeOn == .any { script = .get(at: moment) }
            script.service = index
            addClient(1000 + index, script)
        }
        cableWorld?.retry(after: .seconds(61))
        kernel.wake()
        runUntilQuiet()
        for client in clients[first...] where client.exchanges[0].outcome != client.exchanges[0].expectedOutcome {
            kernel.complain(
                "afterwards a request to service \(client.script.service) gets \(client.exchanges[0].outcome)")
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

    /// Makes the future processes of a service healthy.
    mutating func heal(_ service: Int) { scripts[service] = [.healthy] }
}
