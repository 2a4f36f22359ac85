import CLinux
import Glibc

/// The real system: each verb is one or two calls, each error a value, and the errno values that can only be our own
/// mistakes trap.
@safe final class LinuxKernel: Kernel {
    private let epoll: Int32
    /// Filled by each wait and read in place.
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var hasNanosecondWait = true
    /// What children get back: ours is raised, and a child that uses select(2) must not see descriptors over 1024.
    let originalFileLimit: rlimit
    /// The same for how late timeouts may be, in nanoseconds.
    let originalTimerSlack: UInt
    /// What children must not inherit, by the bits of `launch.h`.
    let ignoredSignals: UInt
    let nullDevice: Int32
    /// Descriptors from 3 on that were open at the start, up to what `LISTEN_FDS` says.
    let inheritedDescriptors: Int32

    /// More per wait would delay the first of them; fewer would pay for more waits under load.
    private static let eventsPerWait = 512

    var launches = LaunchRegistry()
    /// The socket files that listeners of this process have made, by their descriptors.
    var socketFiles: [Int32: SocketFile] = [:]
    /// Those of them that backends inherit (`readiness` of `socket`): the daemon accepts no connection there.
    var childSocketFiles: [SocketFile] = []
    /// Of sockets that a manager opened for the daemon, by their descriptors: never removed, because they are not the
    /// daemon's.
    var inheritedSocketFiles: [Int32: SocketFile] = [:]
    /// TCP listeners that the daemon accepts connections from, opened by itself or by a manager.
    var tcpListeners: [(raw: Int32, address: ListenerAddress)] = []
    /// The process that ends the families of this daemon when it dies; no member of any.
    var guardProcess: Int32?
    /// Opened at the beginning, so that a daemon without descriptors can still say that it lives.
    let manager: ManagerSocket?
    /// What marks this daemon's launches; it never changes.
    let identity: LaunchMark
    /// Whether launches are also marked by a limit, which needs no look into an environment.
    let marksByLimit: Bool
    /// The program that is this one: its stub and its guard.
    let ownProgram: String

    /// To ask who listens (sock_diag(7)); -1 where the system does not say.
    let diagnosis: Int32
    /// How often that was asked: an answer bears the number of its question.
    var questions: UInt32 = 0

    /// Made for a thread of its own: what does not concern readiness belongs to the first one.
    private let isFurther: Bool

    /// `asksSystem` is false where tests want to know what happens on a system that does not say who listens, and
    /// `ownProgram` names the daemon's executable where the process is another one.
    init(asksSystem: Bool = true, ownProgram: String = LinuxKernel.ownProgramPath()) throws(SystemError) {
        isFurther = false
        inheritedDescriptors = Self.countInheritedDescriptors()
        identity = Self.ownIdentity()
        marksByLimit = ondemandd_can_mark_by_limit() != 0
        self.ownProgram = ownProgram
        epoll = try Self.openEpoll()
        nullDevice = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nullDevice >= 0 else { throw SystemError(call: "open", code: .current, subject: "/dev/null") }
        manager = Self.openManager()
        diagnosis = asksSystem ? Self.openDiagnosis() : -1
        unsafe events = .allocate(capacity: Self.eventsPerWait)
        unsafe events.initialize(repeating: epoll_event())
        originalFileLimit = Self.raiseFileLimit()
        originalTimerSlack = ondemandd_timer_slack()
        // Looks at a starting backend are a tenth of a millisecond apart, and half of that is the usual tolerance.
        ondemandd_set_timer_slack(1)
        Self.ignoreErrorSignals()
        ignoredSignals = ondemandd_ignored_signals()
    }

    /// For another thread of the same process.
    init(besides first: LinuxKernel) throws(SystemError) {
        isFurther = true
        epoll = try Self.openEpoll()
        (identity, nullDevice, originalFileLimit) = (first.identity, first.nullDevice, first.originalFileLimit)
        (originalTimerSlack, ignoredSignals) = (first.originalTimerSlack, first.ignoredSignals)
        (marksByLimit, ownProgram) = (first.marksByLimit, first.ownProgram)
        (manager, diagnosis) = (first.manager, first.diagnosis)
        inheritedDescriptors = 0
        unsafe events = .allocate(capacity: Self.eventsPerWait)
        unsafe events.initialize(repeating: epoll_event())
    }

    private static func openEpoll() throws(SystemError) -> Int32 {
        let raw = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard raw >= 0 else { throw SystemError(call: "epoll_create1", code: .current, subject: "") }
        return raw
    }

    deinit {
        unsafe events.deallocate()
        _ = Glibc.close(epoll)
        guard !isFurther else { return }
        _ = Glibc.close(nullDevice)
        if diagnosis >= 0 { _ = Glibc.close(diagnosis) }
        if let manager { _ = Glibc.close(manager.raw) }
    }

    /// Two descriptors per WebSocket: the hard limit is what the operator granted.
    private static func raiseFileLimit() -> rlimit {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        return limit
    }

    // MARK: Time and chance

    func now() -> Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    func wallClock() -> WallClock {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallClock(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
    }

    func random() -> UInt64 { .random(in: .min ... .max) }

    // MARK: Readiness

    func watch(_ descriptor: Descriptor, for interest: Interest, as token: Token) throws(SystemError) {
        var event = unsafe epoll_event()
        unsafe event.events = interest.epollMask
        unsafe event.data.u64 = token.rawValue
        guard unsafe epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor.raw, &event) == 0 else {
            throw SystemError(call: "epoll_ctl", code: .current, subject: "descriptor \(descriptor.raw)")
        }
    }

    func unwatch(_ descriptor: Descriptor) {
        let status = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor.raw, nil)
        precondition(status == 0, "epoll_ctl refused to forget a descriptor: \(Errno.current)")
    }

    func wait(until deadline: Instant?) -> Int {
        while true {
            let count = hasNanosecondWait ? waitPrecisely(until: deadline) : waitRoundedUp(until: deadline)
            if count >= 0 { return Int(count) }
            switch errno {
            case EINTR: continue
            case EBADF, EFAULT, EINVAL: preconditionFailure("epoll reported \(Errno.current)")
            // ENOSYS before Linux 5.11; EPERM or another value from a filter of system calls (seccomp(2)).
            case _ where hasNanosecondWait: hasNanosecondWait = false
            default: preconditionFailure("epoll reported \(Errno.current)")
            }
        }
    }

    private func waitPrecisely(until deadline: Instant?) -> Int32 {
        guard let deadline else {
            return unsafe epoll_pwait2(epoll, events.baseAddress!, Int32(Self.eventsPerWait), nil, nil)
        }
        let left = max(0, (deadline - now()).wholeNanoseconds)
        var timeout = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
        return unsafe epoll_pwait2(epoll, events.baseAddress!, Int32(Self.eventsPerWait), &timeout, nil)
    }

    /// Milliseconds rounded up: woken a little late, never early and then again.
    private func waitRoundedUp(until deadline: Instant?) -> Int32 {
        let left = deadline.map { max(0, ($0 - now()).wholeNanoseconds) }
        let milliseconds = left.map { min(($0 + 999_999) / 1_000_000, Int64(Int32.max)) } ?? -1
        return unsafe epoll_wait(epoll, events.baseAddress!, Int32(Self.eventsPerWait), Int32(milliseconds))
    }

    func event(at position: Int) -> ReadinessEvent {
        let event = unsafe events[position]
        return ReadinessEvent(
            token: Token(rawValue: unsafe event.data.u64), readiness: Readiness(epollMask: unsafe event.events))
    }
}

extension Errno {
    /// The calling thread's errno, read at once: the next call may change it.
    static var current: Errno { Errno(number: errno) }
}

extension Interest {
    fileprivate var epollMask: UInt32 {
        switch self {
        case .readable: EPOLLIN.rawValue
        case .edges: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        }
    }
}

extension Readiness {
    fileprivate init(epollMask mask: UInt32) {
        self = []
        if mask & EPOLLIN.rawValue != 0 { insert(.readable) }
        if mask & EPOLLOUT.rawValue != 0 { insert(.writable) }
        if mask & EPOLLRDHUP.rawValue != 0 { insert(.peerEnded) }
        if mask & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { insert(.broken) }
    }
}
