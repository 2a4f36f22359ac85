@testable import OnDemand

/// What a simulated process does with its life.
struct ChildScript {
    enum Manners: Equatable {
        case good
        /// Answers, yet not in HTTP.
        case garbage
        /// Ends the connection in the middle of each answer.
        case breaksOff
        /// Closes each connection as soon as it has been asked.
        case hangsUp
        /// Reads and never answers.
        case silent
    }

    /// Another process in the same group, which the first one does not wait for.
    struct Grandchild {
        var bornAfter: Duration = .milliseconds(5)
        var ignoresTerminate = false
        /// From TERM to its end.
        var lingers: Duration = .milliseconds(5)
        /// It inherited the listening socket, and keeps the port as long as it lives.
        var keepsPort = false
        var keepsPipes = true
        /// In a session of its own, out of reach of the group's signals.
        var isDetached = false
        /// Ends by itself after this long; nil stays.
        var staysFor: Duration?
    }

    struct Patience: Equatable {
        /// On one connection; it is closed behind the last one.
        var replies = Int.max
        /// The last answer says so.
        var isAnnounced = true
        /// A connection that is silent for so long is closed.
        var silence = Duration.seconds(5)
        /// In one breath with each answer it gives another, for which nobody has asked.
        var addsSurplus = false
    }

    struct Flap {
        /// How long it listens at first.
        var listens: Duration
        /// How long nobody listens then.
        var gap: Duration
        /// Whether what comes before is accepted and served.
        var serves = false
    }

    struct Output {
        let after: Duration
        let bytes: [UInt8]
    }

    /// nil never listens.
    var listensAfter: Duration? = .milliseconds(20)
    /// When it says READY=1, if it has somebody to say it to; nil never does.
    var notifiesAfter: Duration? = .milliseconds(20)
    /// What somebody else says in its place, and when.
    var strangersWord: (after: Duration, text: String)?
    /// Until then it answers a probe with 503.
    var isUpAfter: Duration = .zero
    /// It stops listening for a while and accepts nothing before: a port test, a reloader, a re-exec.
    var flap: Flap?
    var exitsAfter: Duration?
    var exit = Exit.status(1)
    var ignoresTerminate = false
    /// Hangs in the kernel, where KILL does not end it.
    var ignoresKill = false
    /// Of another user: no signal reaches it (kill(2), EPERM).
    var refusesSignals = false
    /// From TERM to the end.
    var lingers: Duration = .milliseconds(5)
    /// Puma's way: stops listening when it hears TERM; otherwise only when it ends.
    var closesListenerAtOnce = true
    var grandchild: Grandchild?
    var output: [Output] = []
    /// A listener whose queue is never emptied.
    var accepts = true
    var backlog = 128
    var manners = Manners.good
    /// Crashes in the middle of this request of its life, counted from one.
    var crashesAtRequest: Int?
    var answersAfter: Duration = .milliseconds(1)
    /// How it treats a connection whose client may ask again; nil closes it behind each answer without a word.
    var patience: Patience? = Patience()
    /// Its connections are reset when it ends, as they are when it had bytes to read.
    var resetsAtEnd = false

    static let healthy = ChildScript()

    /// Why clients of this process may get something else than its answers; nil when it is sound.
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
        return nil
    }
}
