@testable import OnDemand

/// Behaviour of a simulated process.
struct ChildScript {
    enum Manners: Equatable {
        case good
        /// Responds, but not in HTTP.
        case garbage
        /// Ends the connection in the middle of each response.
        case breaksOff
        /// Closes each connection after the request.
        case closesAtOnce
        /// Reads and never responds.
        case silent
    }

    /// Another process in the same group; the first one does not wait for it.
    struct Grandchild {
        var bornAfter: Duration = .milliseconds(5)
        var ignoresTerminate = false
        /// Time from TERM to the exit.
        var lingers: Duration = .milliseconds(5)
        /// Inherits the listening socket and keeps the port until it exits.
        var keepsPort = false
        var keepsPipes = true
        /// In a session of its own, out of reach of the group's signals.
        var isDetached = false
        /// Exits by itself after this time; nil: never.
        var staysFor: Duration?
    }

    struct KeepAlive: Equatable {
        /// Responses on one connection; it is closed after the last one.
        var replies = Int.max
        /// The last response announces the close.
        var isAnnounced = true
        /// Idle time after which a connection is closed.
        var silence = Duration.seconds(5)
        /// Sends a second, unrequested response together with each response.
        var addsSurplus = false
    }

    struct Flap {
        /// How long it listens at first.
        var listens: Duration
        /// How long no socket listens then.
        var gap: Duration
        /// Whether connections before the gap are accepted and served.
        var serves = false
    }

    struct Output {
        let after: Duration
        let bytes: [UInt8]
    }

    /// nil: never listens.
    var listensAfter: Duration? = .milliseconds(20)
    /// When it sends READY=1, if a notify socket exists; nil: never.
    var notifiesAfter: Duration? = .milliseconds(20)
    /// A message of a foreign process to the notify socket, and when.
    var foreignMessage: (after: Duration, text: String)?
    /// Until then it responds to a probe with 503.
    var isUpAfter: Duration = .zero
    /// Stops listening temporarily and accepts nothing before: a port test, a reloader, a re-exec.
    var flap: Flap?
    var exitsAfter: Duration?
    var exit = Exit.status(1)
    var ignoresTerminate = false
    /// Hangs in the kernel, where KILL does not end it.
    var ignoresKill = false
    /// Belongs to another user: no signal reaches it (kill(2), EPERM).
    var refusesSignals = false
    /// Time from TERM to the exit.
    var lingers: Duration = .milliseconds(5)
    /// Stops listening on TERM, as Puma does; otherwise it stops when it exits.
    var closesListenerAtOnce = true
    var grandchild: Grandchild?
    var output: [Output] = []
    /// Whether it empties the queue of its listener.
    var accepts = true
    var backlog = 128
    var manners = Manners.good
    /// Crashes in the middle of this request, counted from one.
    var crashesAtRequest: Int?
    var answersAfter: Duration = .milliseconds(1)
    /// How it treats a reusable connection; nil closes it after each response without an announcement.
    var keepAlive: KeepAlive? = KeepAlive()
    /// As an Action Cable server.
    var cable = ActionCableScript()
    /// Its connections are reset when it exits, as if they had unread bytes.
    var resetsAtEnd = false

    static let healthy = ChildScript()

    /// Why clients of this process may get something other than its responses; nil when it is healthy.
    func trouble(startupTimeout: Duration) -> String? {
        if exitsAfter != nil { return "a process that ends by itself" }
        if refusesSignals || ignoresKill { return "a process that does not end" }
        guard let listensAfter, let notifiesAfter,
            max(listensAfter, isUpAfter, notifiesAfter) * 2 + answersAfter < startupTimeout
        else {
            return "a start that takes too long"
        }
        if !accepts || backlog < 8 { return "a queue that fills up" }
        if manners != .good { return "an answer that is none" }
        if crashesAtRequest != nil { return "a crash" }
        return cable.trouble
    }
}
