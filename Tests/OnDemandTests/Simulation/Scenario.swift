import Foundation

@testable import OnDemand

/// One simulated afternoon: the services and their processes, the clients, and how unkind the system is.
struct Scenario {
    struct Service {
        var policy = BackendPolicy(
            startupTimeout: .seconds(2), idleTimeout: .seconds(5), stopPlan: .politely(for: .seconds(2)))
        /// One process after the other; the last script is everybody's from then on.
        var children: [ChildScript] = [.healthy]
        /// Somebody else listens on the address meanwhile.
        var stranger: (arrives: Duration, leaves: Duration)?
        /// Nothing to launch: a plain proxy, or one that is switched off.
        var launches = true
        var isEnabled = true
        /// Another port at each start.
        var picksPort = false
        var webSocket = true
        var wakeOn = WakeRule.any
        /// Its target is the process of another service.
        var sharesTarget: Int?
    }

    /// Something to run without routes. Processes are numbered behind the services, and called `p0`, `p1` ...
    struct Process {
        var policy = BackendPolicy(
            startupTimeout: .seconds(2), idleTimeout: .seconds(5), stopPlan: .politely(for: .seconds(2)))
        var children: [ChildScript] = [.healthy]
        /// Whether anybody is told where it accepts connections.
        var hasAddress = true
        var startDelay = Duration.zero
    }

    var seed: UInt64 = 1
    var services: [Service] = [Service()]
    var processes: [Process] = []
    var clients: [ClientScript] = []
    /// `SIMULATION_REACTORS` has every story told again with more of them.
    var threads = Scenario.usualReactors
    /// What operators ask for, each on a connection of its own.
    var commands: [(at: Duration, service: Int, order: BackendCommand)] = []
    var faults = Faults.none
    /// The n-th kernel call that may fail does.
    var failingCall = 0
    /// With this errno.
    var failingErrno: Errno?
    var descriptorLimit = 1024
    /// SIGTERM in the middle of everything.
    var terminates: Duration?
    /// Other signals to the daemon.
    var signals: [(at: Duration, signal: DaemonSignal)] = []
    /// SIGHUP with another file.
    var reloads: [Reload] = []
    /// The wall clock is set to another time at that moment.
    var wallJump: (at: Duration, seconds: Int64)?
    /// The clock jumps by this much at that moment.
    var clockJump: (at: Duration, by: Duration)?
    /// A stranger listens on the port of the first service's first start, so long after it was chosen, and stays.
    var takesPickedPort: Duration?
    /// At the end, with every fault off, each service must answer once more.
    var asksAgain = true
    var logLevel = LogLevel.debug
    /// How long the first guards live before something ends them; those after them stay.
    var guardDeaths: [Duration] = []
    /// Nothing shows whose a listening socket is.
    var hidesSockets = false
    /// Where the history is kept.
    var stateDirectory: String?

    private static let usualReactors =
        ProcessInfo.processInfo.environment["SIMULATION_REACTORS"].flatMap { Int($0) } ?? 1

    static let controlAddress = SocketAddress.unix(path: "/run/control.sock")
    static let publicAddress = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)

    static func address(of service: Int, moves: Int = 0) -> SocketAddress {
        .ipv4(octets: [127, 0, 0, 1], port: UInt16(28_080 + service + 100 * moves))
    }

    private func target(of service: Service, _ index: Int) -> Configuration.Target {
        let address = Self.address(of: service.sharesTarget ?? index)
        return .init(
            address: service.picksPort ? address.with(port: 0) : address, authority: "127.0.0.1", path: nil)
    }

    func launch(of service: Service, _ index: Int) -> LaunchCommand {
        var command = LaunchCommand(command: "\(index)")
        command.isToldItsPort = service.picksPort
        return command
    }

    var configuration: Configuration {
        get throws {
            Configuration(
                listen: [Self.publicAddress], stateDirectory: stateDirectory,
                control: commands.isEmpty ? nil : Self.controlAddress,
                services: try services.enumerated().map { index, service in
                    Configuration.Service(
                        name: "s\(index)", enabled: service.isEnabled,
                        paths: [try PathPattern(parsing: "/s\(index)/*")],
                        target: target(of: service, index),
                        websocket: service.webSocket,
                        launch: service.launches ? launch(of: service, index) : nil, policy: service.policy,
                        wakeOn: service.wakeOn)
                },
                processes: processes.enumerated().map { index, process in
                    let number = services.count + index
                    return Configuration.Process(
                        name: "p\(index)", launch: LaunchCommand(command: "\(number)"),
                        address: process.hasAddress ? Self.address(of: number) : nil, startDelay: process.startDelay,
                        policy: process.policy)
                },
                log: .init(level: logLevel, format: .text), threads: threads)
        }
    }
}

extension Scenario {
    private var names: [String] { services.indices.map { "s\($0)" } + processes.indices.map { "p\($0)" } }

    func policy(of number: Int) -> BackendPolicy {
        number < services.count ? services[number].policy : processes[number - services.count].policy
    }

    /// The numbers of what this one requires itself.
    func requirements(of number: Int) -> [Int] {
        policy(of: number).requires.compactMap { names.firstIndex(of: $0) }
    }

    /// And of what that requires in turn.
    func allRequirements(of number: Int) -> Set<Int> {
        requirements(of: number).reduce(into: []) { $0.formUnion(allRequirements(of: $1).union([$1])) }
    }

    /// For whoever replays a seed.
    var story: String {
        let services = services.enumerated().map { "service \($0): \($1)" }
        let processes = processes.enumerated().map { "process \($0): \($1)" }
        let clients = clients.enumerated().map { "client \($0 + 1): \($1)" }
        let commands = commands.map { "order at \($0.at): \($0.order) service \($0.service)" }
        let rest =
            "threads: \(threads), terminates: \(terminates.debugText), limit: \(descriptorLimit), "
            + "jump: \(clockJump.debugText)"
        let reloads = reloads.map { "reload: \($0)" }
        let events = clients + commands + reloads + [rest]
        return (["\(faults)"] + services + processes + events).joined(separator: "\n").replacing(
            "OnDemandTests.", with: ""
        )
        .replacing("OnDemand.", with: "")
    }
}

extension Optional {
    fileprivate var debugText: String { map { "\($0)" } ?? "no" }
}
