import Foundation

@testable import OnDemand

/// One simulated run: services, processes, clients and faults.
struct Scenario {
    struct Service {
        var policy = BackendPolicy(
            startupTimeout: .seconds(2), idleTimeout: .seconds(5), stopPlan: .politely(for: .seconds(2)))
        /// Scripts of the processes, one after the other; the last script repeats.
        var children: [ChildScript] = [.healthy]
        /// A foreign listener on the address, and when it comes and goes; nil: none.
        var foreignListener: (arrives: Duration, leaves: Duration)?
        /// false: unmanaged or disabled.
        var launches = true
        var isEnabled = true
        /// Uses a new port for each start.
        var picksPort = false
        var webSocket = true
        var wakeOn = WakeRule.any
        /// The service whose process is the target; nil: its own.
        var sharesTarget: Int?
    }

    /// A managed process without routes. Processes are numbered after the services, and named `p0`, `p1` ...
    struct Process {
        var policy = BackendPolicy(
            startupTimeout: .seconds(2), idleTimeout: .seconds(5), stopPlan: .politely(for: .seconds(2)))
        var children: [ChildScript] = [.healthy]
        /// Whether the configuration names its address.
        var hasAddress = true
        var startDelay = Duration.zero
    }

    var seed: UInt64 = 1
    var services: [Service] = [Service()]
    var processes: [Process] = []
    var clients: [ClientScript] = []
    /// Number of threads. `SIMULATION_THREADS` runs every scenario with more.
    var threads = Scenario.defaultThreads
    /// Operations of operators, each on its own connection.
    var operations: [(at: Duration, service: Int, operation: BackendOperation)] = []
    var faults = Faults.none
    /// The number of the kernel call that fails; 0: none.
    var failingCall = 0
    /// The errno of that call; nil: its usual one.
    var failingErrno: Errno?
    var descriptorLimit = 1024
    /// When SIGTERM arrives; nil: at the end.
    var terminates: Duration?
    /// Other signals to the daemon.
    var signals: [(at: Duration, signal: DaemonSignal)] = []
    /// SIGHUP with another file.
    var reloads: [Reload] = []
    /// Change of the wall clock, and when; nil: none.
    var wallJump: (at: Duration, seconds: Int64)?
    /// Jump of the monotonic clock, and when; nil: none.
    var clockJump: (at: Duration, by: Duration)?
    /// A foreign process listens on the port of the first service's first start, this long after it was chosen; nil:
    /// never.
    var takesPickedPort: Duration?
    /// At the end, with every fault off, each service must respond once more.
    var asksAgain = true
    var logLevel = LogLevel.debug
    /// Lifetimes of the first guards; later guards stay.
    var guardDeaths: [Duration] = []
    /// The owner of a listening socket is invisible.
    var hidesSockets = false
    /// The directory of the history; nil: none.
    var stateDirectory: String?
    /// Cables, and their clients and publishers; nil: none.
    var cables: CableScenario?

    private static let defaultThreads =
        ProcessInfo.processInfo.environment["SIMULATION_THREADS"].flatMap { Int($0) } ?? 1

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
                control: operations.isEmpty ? nil : Self.controlAddress,
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

    /// Returns the numbers of the direct requirements.
    func requirements(of number: Int) -> [Int] {
        policy(of: number).requires.compactMap { names.firstIndex(of: $0) }
    }

    /// Returns the numbers of all requirements, direct and indirect.
    func allRequirements(of number: Int) -> Set<Int> {
        requirements(of: number).reduce(into: []) { $0.formUnion(allRequirements(of: $1).union([$1])) }
    }

    /// Summary for the replay of a seed.
    var story: String {
        let services = services.enumerated().map { "service \($0): \($1)" }
        let processes = processes.enumerated().map { "process \($0): \($1)" }
        let clients = clients.enumerated().map { "client \($0 + 1): \($1)" }
        let operations = operations.map { "operation at \($0.at): \($0.operation) service \($0.service)" }
        let rest =
            "threads: \(threads), terminates: \(terminates.debugText), limit: \(descriptorLimit), "
            + "jump: \(clockJump.debugText)"
        let reloads = reloads.map { "reload: \($0)" } + (cables.map { ["cables: \($0)"] } ?? [])
        let events = clients + operations + reloads + [rest]
        return (["\(faults)"] + services + processes + events).joined(separator: "\n").replacing(
            "OnDemandTests.", with: ""
        )
        .replacing("OnDemand.", with: "")
    }
}

extension Optional {
    fileprivate var debugText: String { map { "\($0)" } ?? "no" }
}
