@testable import OnDemand

/// Behaviour of a virtual client.
struct ClientScript {
    struct Request {
        var wish: ScenarioRequest
        /// nil: GET.
        var post: Post?
        var isHead = false
        /// Uses a path of no service.
        var isLost = false
        /// Sends the first frames directly after the upgrade.
        var isEager = false

        struct Post {
            var count: Int
            var isChunked = false
        }

        init(_ wish: ScenarioRequest) { self.wish = wish }
    }

    enum Leaving: Equatable {
        case close, reset
        /// Ends its sending direction.
        case end
    }

    enum Reading: Equatable {
        case eager
        case slow(bytes: Int, every: Duration)
        case never
    }

    var arrives = Duration.zero
    var service = 0
    var requests: [Request] = []
    /// Sends all requests at once, without waiting for responses.
    var isPipelined = false
    /// Sends in pieces of this many bytes, with a pause between; nil: at once.
    var pieces: (bytes: Int, pause: Duration)?
    /// Pause between a response and the next request.
    var thinks = Duration.milliseconds(5)
    var reading = Reading.eager
    /// When and how it leaves, independent of its progress; nil: when it is done.
    var leaves: (after: Duration, how: Leaving)?
    /// Time from the last response to the close.
    var lingers = Duration.milliseconds(1)

    static func get(_ wish: ScenarioRequest = .length(300), at arrival: Duration = .zero) -> ClientScript {
        ClientScript(arrives: arrival, requests: [Request(wish)])
    }

    static func chat(_ chat: ScenarioRequest.Chat = .init(), at arrival: Duration = .zero) -> ClientScript {
        ClientScript(arrives: arrival, requests: [Request(.chat(chat))])
    }
}
