import CLinux
import Glibc

/// A wakeup that one thread watches and any thread signals (eventfd(2)).
enum Wakeup {
    static func open() throws(SystemError) -> Descriptor {
        let raw = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard raw >= 0 else { throw SystemError(call: "eventfd", code: .current, subject: "") }
        return Descriptor(raw: raw)
    }

    /// The counter's value is ignored. It cannot overflow in practice.
    static func signal(_ wakeup: Descriptor) {
        var one: UInt64 = 1
        while unsafe Glibc.write(wakeup.raw, &one, MemoryLayout<UInt64>.size) < 0 {
            precondition(errno == EINTR, "a wakeup cannot be signalled: \(Errno.current)")
        }
    }
}
