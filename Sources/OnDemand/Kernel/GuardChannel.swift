import CLinux
import Glibc

/// The daemon's side of the guard: start and messages.
struct GuardChannel {
    let trees: LaunchedTrees
    let launcher: ProgramLauncher

    func start() throws(SystemError) -> (process: ProcessID, channel: Descriptor) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", code: .current, subject: "for the guard")
        }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        let process: Int32
        do throws(SystemError) { process = try launcher.spawnGuard(channel: ends[1]) } catch {
            _ = Glibc.close(ends[0])
            _ = Glibc.close(ends[1])
            throw error
        }
        _ = Glibc.close(ends[1])
        trees.guardBegan(process)
        let channel = Descriptor(raw: ends[0])
        _ = tell(channel, .daemon(trees.identity, marksByLimit: trees.marksByLimit))
        return (ProcessID(number: process), channel)
    }

    func tell(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, timeout: Duration)]?
    ) -> Bool {
        guard let steps, let launch = trees.launches[leader] else {
            return tell(channel, .ended(launch: leader.launch))
        }
        // The pid of a reaped leader is meaningless to the guard.
        let isLed = launch.groupNumber == .ledByLeader
        let members = trees.tree(of: leader).map(\.identity)
        let tree = GuardedTree(
            launch: launch.number,
            leader: ProcessIdentity(number: launch.leader, start: isLed ? launch.start ?? 0 : 0),
            steps: steps.map {
                .init(signal: $0.signal.rawValue, milliseconds: UInt64(max(0, $0.timeout.wholeMilliseconds)))
            }, members: members)
        return tell(channel, .tree(tree))
    }

    private func tell(_ channel: Descriptor, _ message: GuardMessage) -> Bool {
        let bytes = Array(message.text.utf8)
        return StreamSocket.send(bytes.span, to: channel) == .bytes(bytes.count)
    }
}
