/// The sockets and timers of the proxy, apart from those of its connections.
enum ProxyToken: UInt8, OwnedKind {
    case listener
    /// The wakeup of the workers' events.
    case workerEvents

    static var owner: Owner { .proxy }
}

enum ProxyTimer: UInt8, OwnedKind {
    case acceptPause
    /// The next connect attempt to a backend whose accept queue was full.
    case connectRetry
    /// The drain timeout of a removed or disabled unmanaged service.
    case unmanagedDrain
    case status
    case memoryTrim

    static var owner: Owner { .proxy }
}

extension Owner {
    static var proxy: Owner { Owner(number: 2) }
}

extension TimerKey {
    static func acceptPause(listener: Int) -> TimerKey { TimerKey(ProxyTimer.acceptPause, index: listener) }
    static func connectRetry(_ token: Token) -> TimerKey { TimerKey(ProxyTimer.connectRetry, of: token) }
    static func unmanagedDrain(_ id: BackendID) -> TimerKey { TimerKey(ProxyTimer.unmanagedDrain, index: id.index) }
    static var status: TimerKey { TimerKey(ProxyTimer.status) }
    static var memoryTrim: TimerKey { TimerKey(ProxyTimer.memoryTrim) }
}
