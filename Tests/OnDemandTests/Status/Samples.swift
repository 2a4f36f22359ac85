@testable import OnDemand

extension Snapshot {
    static func sample(_ services: [Service] = [.awake], uptime: Duration = .seconds(61)) -> Snapshot {
        Snapshot(
            version: "0.1.0", uptime: uptime, residentBytes: 5_017_600, listening: ["127.0.0.1:3000", "[::1]:3000"],
            services: services, operationsEnabled: true)
    }
}

extension Snapshot.Command {
    static let sample: Snapshot.Command = {
        var command = Snapshot.Command(name: "apply", path: "/commands/apply", cable: "cable")
        command.parameters = ["database", "user_id"]
        command.maximumRunning = 2
        command.counters = Counters(
            started: 7, succeeded: 2, failed: 1, timedOut: 1, stopped: 1, spawnFailed: 1,
            rejected: [.init(name: "busy", count: 3), .init(name: "unauthorized", count: 0)])
        command.running = [
            Snapshot.Run(
                id: "run-2", startedAt: 1_795_276_800, duration: .seconds(61), state: .stopping, outputBytes: 4096,
                remaining: ["4711 (sudo)"])
        ]
        command.last = [
            Snapshot.Run(
                id: "run-1", startedAt: 1_795_276_700, duration: .milliseconds(1500), state: .ended, exit: .status(3),
                ending: .exited, outputBytes: 12),
            Snapshot.Run(
                id: "run-0", startedAt: 1_795_276_000, duration: .seconds(600), state: .ended, exit: .signal(9),
                ending: .timedOut),
        ]
        return command
    }()
}

extension Snapshot.Service {
    static let awake = Snapshot.Service(
        name: "action-cable", state: .awake, stateAge: .milliseconds(4100), paths: ["/cable", "/{region}/cable"],
        webSocket: true, requires: ["redis"], generation: 3, process: ProcessID(number: 4711),
        residentBytes: 71_303_168, open: 2,
        queuedRequests: 1, starts: 4,
        lastStartup: .milliseconds(1512), recentStartups: [.milliseconds(900), .milliseconds(1512)], lastWake: wake,
        lastExit: "status 0", lastExitCause: "idle", lastFailure: failure,
        idleTimeout: .seconds(8), traffic: traffic, isPinned: true,
        wakes: [.init(name: "upgrade", count: 3), .init(name: "request", count: 0), .init(name: "operator", count: 1)],
        timeAlive: .milliseconds(30_500), savedByteSeconds: 1.5 * 3600 * 1_000_000, crashes: 1, startups: startups)

    private static let wake = Wake(
        cause: "upgrade", age: .seconds(65), address: "192.0.2.7", path: "/cable", agent: "Mozilla/5.0")

    private static let startups: StartupHistogram = {
        var startups = StartupHistogram()
        for milliseconds in [900, 1512, 90_000] { startups.record(.milliseconds(milliseconds)) }
        return startups
    }()

    private static let failure = FailureReport(
        detail: "said \"no\"\nand left", command: "puma \"-e a\"", directory: "/srv/app", exit: "status 1",
        output: ["12:00 stderr no", "12:01 stdout \u{1b}[2Jbye"])

    private static let traffic: Traffic = {
        var traffic = Traffic()
        traffic.fromClients = .init(bytes: 9, frames: 4, messages: 3, pings: 2, pongs: 1)
        traffic.tunnels = 2
        traffic.countClose(1000)
        return traffic
    }()

    static let untouched = Snapshot.Service(
        name: "other", state: .asleep, stateAge: .seconds(3600), paths: ["/"], webSocket: false, generation: 0,
        process: nil,
        residentBytes: nil, open: 0, queuedRequests: 0, starts: 0, lastStartup: nil, lastExit: nil, lastFailure: nil,
        idleTimeout: nil)
}
