import CLinux
import Glibc

/// Lookup of listeners with sock_diag(7), which finds a listener as a connection would.
final class SocketDiagnosis {
    /// -1: unsupported.
    private let diagnosis: Int32
    /// Number of the last request. A reply has the number of its request.
    private var questions: UInt32 = 0

    /// `asksSystem` is false in tests of a system without sock_diag.
    init(asksSystem: Bool) { diagnosis = asksSystem ? Self.open() : -1 }

    deinit { if diagnosis >= 0 { _ = Glibc.close(diagnosis) } }

    enum Find {
        /// `isFull`: the accept queue has no free entry.
        case listener(inode: UInt32, isFull: Bool)
        case noListener, unsupported
    }

    /// Opens a sock_diag socket, or returns -1. Some systems open it but do not support TCP, so it must find an
    /// existing listener first.
    private static func open() -> Int32 {
        let diagnosis = ondemandd_open_diagnosis()
        guard diagnosis >= 0 else { return -1 }
        let listener = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { _ = Glibc.close(listener) }
        let octets: [UInt8] = [127, 0, 0, 1]
        let anyPort = SocketAddress.ipv4(octets: octets, port: 0)
        var information = stat()
        var found = ondemandd_listener()
        if unsafe anyPort.withSockaddr({ unsafe bind(listener, $0, $1) }) == 0, Glibc.listen(listener, 1) == 0,
            unsafe fstat(listener, &information) == 0,
            let port = unsafe SocketAddress.filled(by: { unsafe getsockname(listener, $0, $1) })?.port,
            unsafe ondemandd_find_listener(diagnosis, 0, AF_INET, octets, port.bigEndian, &found) == 1,
            UInt(found.inode) == information.st_ino
        {
            return diagnosis
        }
        _ = Glibc.close(diagnosis)
        return -1
    }

    func find(_ address: SocketAddress) -> Find {
        guard diagnosis >= 0, let port = address.port, let octets = address.octets else { return .unsupported }
        questions &+= 1
        var found = ondemandd_listener()
        let answer = unsafe ondemandd_find_listener(
            diagnosis, questions, address.family, octets, port.bigEndian, &found)
        return switch answer {
        case 1: .listener(inode: found.inode, isFull: found.queue > found.backlog)
        case 0: .noListener
        default: .unsupported
        }
    }

    /// By device and inode of the file. nil: unsupported, or no listener in this network namespace.
    func unixListenerInode(at path: String) -> UInt32? {
        guard diagnosis >= 0, let file = SocketFile(behind: path) else { return nil }
        questions &+= 1
        var inode: UInt32 = 0
        let answer = unsafe ondemandd_find_unix_listener(
            diagnosis, questions, dev_t(file.device), ino_t(file.inode), &inode)
        return answer == 1 ? inode : nil
    }
}
