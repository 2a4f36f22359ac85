@testable import OnDemand

/// The cables of a scenario, with their clients, publishers and Redis.
struct CableScenario {
    struct Cable {
        var isTurboOnly = false
        var hasRedis = false
        var needsToken = false
        var maximumQueuedBytes = 1024 * 1024
        var maximumSubscriptions = 100
        var pingInterval = Duration.seconds(3)
        /// nil: what the cable does not serve is rejected.
        var backend: Backend?
    }

    struct Client {
        enum Token: Equatable { case none, valid, expired }

        enum Action: Equatable {
            case subscribe(Int)
            case unsubscribe(Int)
            /// On one of its subscriptions at the backend.
            case perform(Int)
            /// A message that is ignored.
            case nonsense
            /// A frame that violates RFC 6455.
            case violation
        }

        enum Leaving: Equatable {
            case close, reset, end
            /// With a close frame.
            case handshake
        }

        var arrives = Duration.zero
        var cable = 0
        var isTurbo = false
        var token = Token.none
        var actions: [(after: Duration, action: Action)] = []
        /// Sends the first action together with the request.
        var isEager = false
        /// Until the publishers are done; then every client reads what is left.
        var reading = ClientScript.Reading.eager
        /// nil: it stays until it has everything.
        var leaves: (after: Duration, how: Leaving)?
    }

    /// One broadcast request: several messages are an array.
    typealias Post = [(stream: Int, size: Int)]

    struct Publisher {
        var arrives = Duration.zero
        var cable = 0
        var posts: [Post] = []
        var thinks = Duration.zero
    }

    enum Trouble: CaseIterable { case crash, freeze, cutListening, cutPublishing }

    /// A message of another program on the same Redis.
    struct Other {
        var at: Duration
        var cable = 0
        var stream = 0
        var size = 10
        /// Through AnyCable's channel, which carries whole requests.
        var isAnyCable = false
    }

    static let streams = 3

    var cables: [Cable] = [Cable()]
    var clients: [Client] = []
    var publishers: [Publisher] = []
    var others: [Other] = []
    var troubles: [(at: Duration, trouble: Trouble, lasts: Duration)] = []
    var closeJitter = Duration.zero

    /// When everything that other programs do is over, and a Redis that was away is found again.
    var end: Duration {
        let posts = publishers.map { $0.arrives + ($0.thinks + .milliseconds(50)) * $0.posts.count }
        let arrivals = clients.map { $0.arrives + ($0.actions.map(\.after).max() ?? .zero) }
        let redis = troubles.map { $0.at + $0.lasts + .seconds(30) }
        return (posts + arrivals + redis + others.map(\.at)).max() ?? .zero
    }
}

// MARK: - From a seed

extension CableScenario {
    static func drawn(with dice: inout Seeded) -> CableScenario {
        var scenario = CableScenario()
        scenario.cables = (0..<dice.one(of: [1, 1, 2])).map { _ in .drawn(with: &dice) }
        scenario.closeJitter = dice.one(of: [.zero, .milliseconds(300), .seconds(1)])
        let span = dice.one(of: [Duration.milliseconds(50), .seconds(3), .seconds(15)])
        scenario.clients = (0..<dice.number(in: 1...8)).map { _ in
            .drawn(with: &dice, within: span, of: scenario.cables)
        }
        scenario.publishers = (0..<dice.number(in: 1...3)).map { _ in
            .drawn(with: &dice, within: span, cables: scenario.cables.count)
        }
        guard scenario.cables.contains(where: \.hasRedis) else { return scenario }
        scenario.others = (0..<dice.below(8)).map { _ in
            Other(
                at: dice.duration(.zero...span + .seconds(2)), cable: dice.below(scenario.cables.count),
                stream: dice.below(streams), size: dice.below(300), isAnyCable: dice.chance(30))
        }
        if dice.chance(70) {
            scenario.troubles = (0..<dice.number(in: 1...3)).map { _ in
                (
                    dice.duration(.zero...span + .seconds(1)), dice.one(of: Trouble.allCases),
                    dice.one(of: [.milliseconds(5), .milliseconds(400), .seconds(3), .seconds(14)])
                )
            }
        }
        return scenario
    }
}

extension CableScenario.Cable {
    fileprivate static func drawn(with dice: inout Seeded) -> CableScenario.Cable {
        var cable = CableScenario.Cable()
        cable.isTurboOnly = dice.chance(10)
        cable.hasRedis = dice.chance(50)
        cable.needsToken = dice.chance(10)
        cable.maximumQueuedBytes = dice.one(of: [1024 * 1024, 1024 * 1024, 40_000, 3000])
        cable.maximumSubscriptions = dice.one(of: [100, 100, 100, 2])
        cable.pingInterval = dice.one(of: [.milliseconds(700), .seconds(3), .seconds(20)])
        return cable
    }
}

extension CableScenario.Client {
    fileprivate static func drawn(
        with dice: inout Seeded, within span: Duration, of cables: [CableScenario.Cable]
    ) -> CableScenario.Client {
        var client = CableScenario.Client()
        client.cable = dice.below(cables.count)
        client.arrives = dice.duration(.zero...span)
        client.isTurbo = cables[client.cable].isTurboOnly || dice.chance(35)
        client.isEager = dice.chance(25)
        if cables[client.cable].needsToken { client.token = dice.one(of: [.none, .valid, .valid, .expired]) }
        var moment = Duration.zero
        for _ in 0..<dice.number(in: 1...6) {
            let stream = dice.below(CableScenario.streams)
            let action: Action =
                switch dice.below(100) {
                case ..<72: .subscribe(stream)
                case ..<92: .unsubscribe(stream)
                case ..<98: .nonsense
                default: .violation
                }
            client.actions.append((moment, action))
            let pauses = [.zero, dice.duration(.zero ... .milliseconds(20)), dice.duration(.zero...span)]
            moment = moment + dice.one(of: pauses)
        }
        switch dice.below(100) {
        case ..<70: break
        case ..<85:
            client.reading = .slow(bytes: dice.number(in: 10...4000), every: dice.duration(.zero ... .milliseconds(50)))
        default: client.reading = .never
        }
        if dice.chance(35) {
            let how: Leaving = dice.one(of: [.close, .reset, .end, .handshake])
            client.leaves = (dice.duration(.zero...span + .seconds(1)), how)
        }
        return client
    }
}

extension CableScenario.Publisher {
    fileprivate static func drawn(
        with dice: inout Seeded, within span: Duration, cables: Int
    ) -> CableScenario.Publisher {
        var publisher = CableScenario.Publisher()
        publisher.cable = dice.below(cables)
        publisher.arrives = dice.duration(.zero...span)
        publisher.thinks = dice.one(of: [.zero, .milliseconds(1), .milliseconds(90), .milliseconds(900)])
        let large = dice.one(of: [10, 200, 200, 20_000])
        publisher.posts = (0..<dice.number(in: 1...12)).map { _ in
            (0..<dice.one(of: [1, 1, 1, dice.number(in: 1...6)])).map { _ in
                (dice.below(CableScenario.streams), dice.below(large))
            }
        }
        return publisher
    }
}

// MARK: - Configuration

extension CableScenario {
    static let key = "0123456789abcdef"
    static let tokenSecret = Array("ruby-to-go".utf8)
    static let validToken =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6NDEwMjQ0NDgwMH0.KKcuuwWoSJSQDW8Oclr59VbG29m2NOPkgS5hK-rKwNs"
    static let expiredToken =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6MTMwMDgxOTM4MH0.ZBw07eWyKEBrOQYYaOlobBSjhIT0iv3aH_RMrr3zTAo"

    /// What a reload changes of a cable.
    struct Variant: Equatable {
        var isThere = true
        var isEnabled = true
        var hasPrefix = false
        var isTight = false
        var isClosed = false

        enum Property { case presence, enabling, prefix, limits, streams }

        mutating func toggle(_ property: Property) {
            switch property {
            case .presence: isThere.toggle()
            case .enabling: isEnabled.toggle()
            case .prefix: hasPrefix.toggle()
            case .limits: isTight.toggle()
            case .streams: isClosed.toggle()
            }
        }
    }

    func configuration(_ variants: [Variant]) throws -> [Configuration.Cable] {
        try zip(cables, variants).enumerated().compactMap { index, pair in
            let (cable, variant) = pair
            guard variant.isThere else { return nil }
            var entry = Configuration.Cable(name: "c\(index)", paths: [try PathPattern(parsing: "/c\(index)")])
            entry.enabled = variant.isEnabled
            entry.actionCable = !cable.isTurboOnly
            if cable.needsToken { entry.tokens = .init(secret: Self.tokenSecret) }
            entry.streams.publicStreams = variant.isClosed ? .none : .all
            entry.broadcast = .init(
                path: try PathPattern(parsing: "/c\(index)/broadcast"), key: BearerToken.accessKey(Self.key))
            if cable.hasRedis {
                entry.redis = .init(
                    url: try RedisURL("redis://127.0.0.1:6379"), channelPrefix: Self.prefix(of: index, variant))
            }
            entry.pingInterval = variant.isTight ? cable.pingInterval / 2 : cable.pingInterval
            entry.limits.maximumQueuedBytes = variant.isTight ? 20_000 : cable.maximumQueuedBytes
            entry.limits.maximumSubscriptions = variant.isTight ? 1 : cable.maximumSubscriptions
            if let backend = cable.backend {
                (entry.backend, entry.connect) = ("s\(backend.service)", backend.connect)
                entry.hibernation = backend.hibernates ? try Self.hibernation(of: backend) : nil
            }
            return entry
        }
    }

    static func prefix(of cable: Int, _ variant: Variant) -> String { "p\(cable)\(variant.hasPrefix ? "b" : "a")" }
}
