import CLinux
import Glibc

/// Lookup of listeners and their owners: with sock_diag(7), which finds a listener as a connection would, or from
/// /proc.
extension LinuxKernel {
    private enum Find {
        /// `isFull`: the accept queue has no free entry.
        case listener(inode: UInt32, isFull: Bool)
        case noListener, unsupported
    }

    /// Opens a sock_diag socket, or returns -1. Some systems open it but do not support TCP, so it must find an
    /// existing listener first.
    static func openDiagnosis() -> Int32 {
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

    private func find(_ address: SocketAddress) -> Find {
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

    func lookUpSocket(at address: SocketAddress, forTreeOf leader: ProcessID) -> SocketLookup {
        // At an address of another machine a local listener proves nothing.
        guard address.isLoopback else { return .unsupported }
        switch find(address) {
        case .noListener: return .noListener
        case .unsupported, .listener(_, isFull: true): return .unsupported
        case .listener(let inode, isFull: false):
            return owner(of: inode, leader)
        }
    }

    func listener(
        at address: SocketAddress, accepting connection: Descriptor?, belongsToTreeOf leader: ProcessID
    ) -> SocketLookup {
        if case .unix(let path) = address {
            return unixListener(at: path, accepting: connection, belongsToTreeOf: leader)
        }
        return listenerInode(at: address).map { owner(of: $0, leader) } ?? .noListener
    }

    /// Finds the owner of a Unix socket. The kernel stores the process that called listen and returns it to each client
    /// (unix(7), SO_PEERCRED). If that process proves nothing, the tree must hold the socket itself. It is found by its
    /// file, never by its name, whose spelling is the owner's choice.
    private func unixListener(
        at path: String, accepting connection: Descriptor?, belongsToTreeOf leader: ProcessID
    ) -> SocketLookup {
        if let connection, let process = listeningProcess(behind: connection) {
            if self.process(process, belongsToTreeOf: leader) { return .ownProcess }
            // A process that has exited may have passed the socket on. Only then other holders are searched.
            guard kill(process.number, 0) != 0, errno == ESRCH else { return .foreignProcess }
            return unixListenerInode(at: path).map { owner(of: $0, leader) } ?? .unknownOwner
        }
        // A process of another pid namespace has no pid here, and its descriptors are invisible.
        guard let inode = unixListenerInode(at: path) else { return .unknownOwner }
        return memberHolds(inode, leader).isShown ? .ownProcess : .unknownOwner
    }

    /// By device and inode of the file. nil: unsupported, or no listener in this network namespace.
    private func unixListenerInode(at path: String) -> UInt32? {
        guard diagnosis >= 0, let file = SocketFile(behind: path) else { return nil }
        questions &+= 1
        var inode: UInt32 = 0
        let answer = unsafe ondemandd_find_unix_listener(
            diagnosis, questions, dev_t(file.device), ino_t(file.inode), &inode)
        return answer == 1 ? inode : nil
    }

    private func owner(of inode: UInt32, _ leader: ProcessID) -> SocketLookup {
        switch tree(of: leader, holds: inode) {
        case true?: .ownProcess
        case false?: .foreignProcess
        case nil: .unknownOwner
        }
    }

    func listenerOwner(at address: SocketAddress) -> ProcessDescription? {
        guard let inode = listenerInode(at: address) else { return nil }
        let number = Self.processes().first { Self.dependencies($0, inode) == true }
        return number.map { ProcessDescription(process: ProcessID(number: $0), name: Self.name(of: $0)) }
    }

    /// nil: not provable.
    private func tree(of leader: ProcessID, holds inode: UInt32) -> Bool? {
        switch memberHolds(inode, leader) {
        case .yes: true
        case .no: false
        case .unknown(let members): isHeldByNobody(but: members, inode)
        }
    }

    /// Whether a member of a tree holds a socket.
    private enum Holding {
        case yes, no
        /// Some of these members are unreadable.
        case unknown(members: Set<Int32>)

        var isShown: Bool { if case .yes = self { true } else { false } }
    }

    private func memberHolds(_ inode: UInt32, _ leader: ProcessID) -> Holding {
        // Usually the leader holds it. Then no descendant has to be found.
        let isLed = launches[leader].map { $0.groupNumber == .ledByLeader } ?? true
        let leaderHolds = isLed ? Self.dependencies(leader.number, inode) : false
        if leaderHolds == true { return .yes }
        let others = tree(of: leader).map(\.number).filter { !isLed || $0 != leader.number }
        let replies = [leaderHolds] + others.map { Self.dependencies($0, inode) }
        if replies.contains(true) { return .yes }
        return replies.contains(nil) ? .unknown(members: Set([leader.number] + others)) : .no
    }

    /// Whether only the tree can hold the socket because every other process is readable and does not. false: another
    /// process holds it. nil: another process is unreadable too.
    private func isHeldByNobody(but tree: Set<Int32>, _ inode: UInt32) -> Bool? {
        var isShown = true
        for process in Self.processes() where !tree.contains(process) {
            switch Self.dependencies(process, inode) {
            case true?: return false
            case nil: isShown = isShown && Self.facts(of: process)?.isAlive == false
            case false?: break
            }
        }
        // With hidepid some processes are not listed.
        return isShown && Self.listsEveryProcess ? true : nil
    }

    /// Whether /proc lists the processes of other users, judged by pid 1.
    static var listsEveryProcess: Bool { unsafe access("/proc/1/stat", R_OK) == 0 && seesProcesses }

    /// nil: the process is unreadable, even as its own user.
    private static func dependencies(_ process: Int32, _ inode: UInt32) -> Bool? {
        switch ondemandd_holds_socket(process, inode) {
        case 1: true
        case 0: false
        default:
            asOwner(of: process) {
                let answer = ondemandd_holds_socket(process, inode)
                return answer < 0 ? nil : answer == 1
            }
        }
    }

    /// The inode of a socket in state LISTEN at this path, or at this address and port. A wildcard listener counts only
    /// if no listener has the exact address.
    private func listenerInode(at address: SocketAddress) -> UInt32? {
        switch find(address) {
        case .listener(let inode, _): return inode
        case .noListener: return nil
        case .unsupported: break
        }
        guard let port = address.port else {
            guard case .unix(let path) = address else { return nil }
            // For display only. Without sock_diag only the name is known.
            return unixListenerInode(at: path)
                ?? Self.firstRow(of: "/proc/net/unix") { $0.count == 8 && $0[7] == path }.flatMap { UInt32($0[6]) }
        }
        for place in Self.localAddresses(taking: address) {
            let local = "\(place):\(Self.hexadecimal(UInt32(port), digits: 4))"
            // Listeners come first. The rows after them may be 10,000 connections.
            let row = Self.firstRow(of: place.utf8.count == 8 ? "/proc/net/tcp" : "/proc/net/tcp6") {
                $0.count > 9 && $0[0] != "sl" && ($0[3] != "0A" || $0[1] == local)
            }
            if let row, row[3] == "0A" { return UInt32(row[9]) }
        }
        return nil
    }

    /// Addresses in the format of the tables, each 4 octets a number in host order, the most specific first.
    private static func localAddresses(taking address: SocketAddress) -> [String] {
        let written = { (octets: [UInt8]) in
            stride(from: 0, to: octets.count, by: 4).map { first in
                let number = octets[first..<first + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                return hexadecimal(UInt32(littleEndian: number), digits: 8)
            }.joined()
        }
        let anyVersion6 = String(repeating: "0", count: 32)
        return switch address {
        case .ipv4(let octets, _):
            [written(octets), written(Array(repeating: 0, count: 10) + [255, 255] + octets), "00000000", anyVersion6]
        case .ipv6(let octets, _): [written(octets), anyVersion6]
        case .unix: []
        }
    }

    private static func hexadecimal(_ number: UInt32, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }
}
