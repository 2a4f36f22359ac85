import CLinux
import Glibc

/// What threads need of each other: readiness apart, and a way to wake.
extension LinuxKernel {
    func forWorkerThread() throws(SystemError) -> LinuxKernel { try LinuxKernel(besides: self) }

    func openWakeup() throws(SystemError) -> Descriptor {
        let raw = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard raw >= 0 else { throw SystemError(call: "eventfd", code: .current, subject: "") }
        return Descriptor(raw: raw)
    }

    /// Its counter is nobody's concern, and would be full after as many rings as no machine has time for.
    func signalWakeup(_ wakeup: Descriptor) {
        var one: UInt64 = 1
        while unsafe Glibc.write(wakeup.raw, &one, MemoryLayout<UInt64>.size) < 0 {
            precondition(errno == EINTR, "a bell cannot be rung: \(Errno.current)")
        }
    }
}
