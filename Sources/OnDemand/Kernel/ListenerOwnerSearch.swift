import CLinux
import Glibc

/// The owners of listeners: from sock_diag(7) where the system has it, else from /proc.
struct ListenerOwnerSearch {
    let trees: LaunchedTrees
    let diagnosis: SocketDiagnosis

    func lookUpSocket(at address: SocketAddress, forTreeOf leader: ProcessID) -> SocketLookup {
        // At an address of another machine a local listener proves nothing.
        guard address.isLoopback else { return .unsupported }
        switch diagnosis.find(address) {
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
        if let connection, let process = StreamSocket.listeningProcess(behind: connection) {
            if trees.process(process, belongsToTreeOf: leader) { return .ownProcess }
            // A process that has exited may have passed the socket on. Only then other holders are searched.
            guard kill(process.number, 0) != 0, errno == ESRCH else { return .foreignProcess }
            return diagnosis.unixListenerInode(at: path).map { owner(of: $0, leader) } ?? .unknownOwner
        }
        // A process of another pid namespace has no pid here, and its descriptors are invisible.
        guard let inode = diagnosis.unixListenerInode(at: path) else { return .unknownOwner }
        return memberHolds(inode, leader).isShown ? .ownProcess : .unknownOwner
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
        let number = ProcessTable.all().first { Self.holds($0, inode) == true }
        return number.map { ProcessDescription(process: ProcessID(number: $0), name: ProcessTable.name(of: $0)) }
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
        let isLed = trees.launches[leader].map { $0.groupNumber == .ledByLeader } ?? true
        let leaderHolds = isLed ? Self.holds(leader.number, inode) : false
        if leaderHolds == true { return .yes }
        let others = trees.tree(of: leader).map(\.number).filter { !isLed || $0 != leader.number }
        let replies = [leaderHolds] + others.map { Self.holds($0, inode) }
        if replies.contains(true) { return .yes }
        return replies.contains(nil) ? .unknown(members: Set([leader.number] + others)) : .no
    }

    /// Whether only the tree can hold the socket because every other process is readable and does not. false: another
    /// process holds it. nil: another process is unreadable too.
    private func isHeldByNobody(but tree: Set<Int32>, _ inode: UInt32) -> Bool? {
        var isShown = true
        for process in ProcessTable.all() where !tree.contains(process) {
            switch Self.holds(process, inode) {
            case true?: return false
            case nil: isShown = isShown && ProcessTable.facts(of: process)?.isAlive == false
            case false?: break
            }
        }
        // With hidepid some processes are not listed.
        return isShown && ProcessTable.listsEveryProcess ? true : nil
    }

    /// nil: the process is unreadable, even as its own user.
    private static func holds(_ process: Int32, _ inode: UInt32) -> Bool? {
        switch ondemandd_holds_socket(process, inode) {
        case 1: true
        case 0: false
        default:
            ProcessTable.asOwner(of: process) {
                let answer = ondemandd_holds_socket(process, inode)
                return answer < 0 ? nil : answer == 1
            }
        }
    }

    /// The inode of a socket in state LISTEN at this path, or at this address and port. A wildcard listener counts only
    /// if no listener has the exact address.
    private func listenerInode(at address: SocketAddress) -> UInt32? {
        switch diagnosis.find(address) {
        case .listener(let inode, _): return inode
        case .noListener: return nil
        case .unsupported: break
        }
        guard let port = address.port else {
            guard case .unix(let path) = address else { return nil }
            // For display only. Without sock_diag only the name is known.
            return diagnosis.unixListenerInode(at: path)
                ?? ProcFile.firstRow(of: "/proc/net/unix") { $0.count == 8 && $0[7] == path }.flatMap { UInt32($0[6]) }
        }
        for place in ProcNetTables.localAddresses(taking: address) {
            let local = "\(place):\(ProcNetTables.hexadecimal(UInt32(port), digits: 4))"
            // Listeners come first. The rows after them may be 10,000 connections.
            let row = ProcFile.firstRow(of: place.utf8.count == 8 ? "/proc/net/tcp" : "/proc/net/tcp6") {
                $0.count > 9 && $0[0] != "sl" && ($0[3] != "0A" || $0[1] == local)
            }
            if let row, row[3] == "0A" { return UInt32(row[9]) }
        }
        return nil
    }

    func listeningAddresses(ofTreeOf leader: ProcessID, atMost limit: Int) -> [SocketAddress] {
        let members = [leader.number] + trees.tree(of: leader).map(\.number)
        return ProcNetTables.listeningAddresses(of: members, atMost: limit)
    }
}
