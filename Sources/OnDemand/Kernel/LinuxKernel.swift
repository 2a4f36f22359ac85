import CLinux
import Glibc

/// The Linux implementation: one or two system calls per operation, errors as values. Errno values that only a
/// programming error can cause trap.
@safe final class LinuxKernel: Kernel {
    private let epoll: Int32
    /// Filled by each wait and read in place.
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var hasNanosecondWait = true
    /// Restored in children: the daemon raises the limit, and a child that uses select(2) must not get descriptors over
    /// 1024.
    let originalFileLimit: rlimit
    /// Restored in children: tolerance of timeouts in nanoseconds.
    let originalTimerSlack: UInt
    /// Reset in children, as a bit set of `launch.h`.
    let ignoredSignals: UInt
    let nullDevice: Int32
    /// Open descriptors from 3 on at startup, at most `LISTEN_FDS`.
    let inheritedDescriptors: Int32

    /// A larger number would delay the first event, a smaller one would need more waits under load.
    private static let eventsPerWait = 512

    var launches = LaunchRegistry()
    /// Socket files of this process's listeners, by descriptor.
    var socketFiles: [Int32: SocketFile] = [:]
    /// Socket files that backends inherit (`readiness` of `socket`). The daemon accepts no connections there.
    var childSocketFiles: [SocketFile] = []
    /// Of sockets that a manager opened for the daemon, by their descriptors: never removed, because they are not the
    /// daemon's.
    var inheritedSocketFiles: [Int32: SocketFile] = [:]
    /// TCP listeners that the daemon accepts connections from, opened by itself or by a manager.
    var tcpListeners: [(raw: Int32, address: ListenerAddress)] = []
    /// The process that ends the process trees of this daemon when it dies; no member of any.
    var guardProcess: Int32?
    /// Opened at startup, so that a daemon out of descriptors can still notify.
    let manager: ManagerSocket?
    /// The mark of this daemon. Constant.
    let identity: LaunchMark
    /// Whether a limit marks launches too. It is readable without access to the environment.
    let marksByLimit: Bool
    /// This program, for its stub and its guard.
    let ownProgram: String

    /// sock_diag(7) socket. -1: unsupported.
    let diagnosis: Int32
    /// Number of the last sock_diag request. A reply has the number of its request.
    var questions: UInt32 = 0

    /// Created for a further thread: shared descriptors belong to the first kernel.
    private let isFurther: Bool

    /// `asksSystem` is false in tests of a system without sock_diag. `ownProgram` names the daemon's executable if the
    /// process is another one.
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
        // Lookups during a start are 0.1 ms apart. The default tolerance is 0.05 ms.
        ondemandd_set_timer_slack(1)
        Self.ignoreErrorSignals()
        ignoredSignals = ondemandd_ignored_signals()
    }

    /// Creates the kernel of another thread of the same process.
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

    /// Raises the limit to the hard limit: a WebSocket needs two descriptors.
    private static func raiseFileLimit() -> rlimit {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
        return limit
    }

    // MARK: Time and random numbers

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
            // ENOSYS before Linux 5.11. EPERM or another value from a seccomp filter (seccomp(2)).
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

    /// Waits with a timeout rounded up to milliseconds, so that it never ends early.
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
    /// The calling thread's errno. Read it at once, because the next call may change it.
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
