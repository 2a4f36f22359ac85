import CLinux
import Glibc

/// Results of socket calls from return values and errno. Values that only a programming error can cause trap.
extension AcceptResult {
    /// Classifies a failed accept. nil: accept the next connection (accept(2), error handling).
    init?(failure code: Int32) {
        switch code {
        case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH: return nil
        case EAGAIN: self = .wouldBlock
        case EINVAL: self = .ended
        case EBADF, EFAULT, ENOTSOCK: preconditionFailure("accept4 reported \(Errno(number: code))")
        default: self = .failed(Errno(number: code))
        }
    }
}

extension ReadResult {
    /// Classifies the result of a read. nil: interrupted, call again.
    init?(count: Int) {
        switch count {
        case 1...: self = .bytes(count)
        case 0: self = .ended
        default:
            switch errno {
            case EINTR: return nil
            case EAGAIN: self = .wouldBlock
            case EBADF, EFAULT, ENOTSOCK: preconditionFailure("a read reported \(Errno.current)")
            default: self = .failed(.current)
            }
        }
    }
}

extension WriteResult {
    /// Classifies the result of a send. nil: interrupted, call again.
    init?(count: Int) {
        if count >= 0 {
            self = .bytes(count)
            return
        }
        switch errno {
        case EINTR: return nil
        case EAGAIN: self = .wouldBlock
        case EBADF, EFAULT, ENOTSOCK: preconditionFailure("a send reported \(Errno.current)")
        default: self = .failed(.current)
        }
    }
}

extension Errno {
    /// The calling thread's errno. Read it at once, because the next call may change it.
    static var current: Errno { Errno(number: errno) }
}
