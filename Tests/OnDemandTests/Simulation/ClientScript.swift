@testable import OnDemand

/// What a virtual client does, from its first packet to its last.
struct ClientScript {
    struct Request {
        var wish: Wish
        /// nil asks with GET.
        var post: Post?
        var isHead = false
        /// A path of no service.
        var isLost = false
        /// The first frames come right behind the upgrade.
        var isEager = false

        struct Post {
            var count: Int
            var isChunked = false
        }

        init(_ wish: Wish) { self.wish = wish }
    }

    enum Leaving: Equatable {
        case close, reset
        /// It says that it has nothing more to say.
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
    /// All requests at once, without waiting for answers.
    var isPipelined = false
    /// What it says comes in pieces of so many bytes, with a pause between.
    var pieces: (bytes: Int, pause: Duration)?
    /// Between an answer and the next request.
    var thinks = Duration.milliseconds(5)
    var reading = Reading.eager
    /// However far it has come.
    var leaves: (after: Duration, how: Leaving)?
    /// After the last answer, before it closes.
    var lingers = Duration.milliseconds(1)

    static func get(_ wish: Wish = .length(300), at arrival: Duration = .zero) -> ClientScript {
        ClientScript(arrives: arrival, requests: [Request(wish)])
    }

    static func chat(_ chat: Wish.Chat = .init(), at arrival: Duration = .zero) -> ClientScript {
        ClientScript(arrives: arrival, requests: [Request(.chat(chat))])
    }
}
