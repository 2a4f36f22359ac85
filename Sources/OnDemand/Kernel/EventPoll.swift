import CLinux
import Glibc

/// The readiness of descriptors: the epoll instance of one thread (epoll(7)).
@safe final class EventPoll {
    private let epoll: Int32
    /// Filled by each wait and read in place.
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private var hasNanosecondWait = true

    /// A larger number would delay the first event, a smaller one would need more waits under load.
    private static let eventsPerWait = 512

    init() throws(SystemError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError(call: "epoll_create1", code: .current, subject: "") }
        unsafe events = .allocate(capacity: Self.eventsPerWait)
        unsafe events.initialize(repeating: epoll_event())
    }

    deinit {
        unsafe events.deallocate()
        _ = Glibc.close(epoll)
    }

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
        let left = max(0, (deadline - SystemClock.now()).wholeNanoseconds)
        var timeout = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
        return unsafe epoll_pwait2(epoll, events.baseAddress!, Int32(Self.eventsPerWait), &timeout, nil)
    }

    /// Waits with a timeout rounded up to milliseconds, so that it never ends early.
    private func waitRoundedUp(until deadline: Instant?) -> Int32 {
        let left = deadline.map { max(0, ($0 - SystemClock.now()).wholeNanoseconds) }
        let milliseconds = left.map { min(($0 + 999_999) / 1_000_000, Int64(Int32.max)) } ?? -1
        return unsafe epoll_wait(epoll, events.baseAddress!, Int32(Self.eventsPerWait), Int32(milliseconds))
    }

    func event(at position: Int) -> ReadinessEvent {
        let event = unsafe events[position]
        return ReadinessEvent(
            token: Token(rawValue: unsafe event.data.u64), readiness: Readiness(epollMask: unsafe event.events))
    }
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
