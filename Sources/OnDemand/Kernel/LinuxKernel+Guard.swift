import CLinux
import Glibc

/// The daemon's side of the guard: start and messages.
extension LinuxKernel {
    func startGuard() throws(SystemError) -> (process: ProcessID, channel: Descriptor) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw SystemError(call: "socketpair", code: .current, subject: "for the guard")
        }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        // The guard inherits no variable, directory or other descriptor, and no signal of the daemon's group or
        // terminal.
        let settings = SpawnSettings(
            directory: "/", descriptors: [ends[1], nullDevice, nullDevice], mark: 0, blocksSignals: true)
        let process = unsafe withCStrings(["ondemandd", HiddenMode.guardian.rawValue]) { arguments in
            unsafe withCStrings([]) { environment in
                unsafe spawn(ownProgram, arguments.baseAddress!, environment.baseAddress!, settings)
            }
        }
        _ = Glibc.close(ends[1])
        guard process > 0 else {
            _ = Glibc.close(ends[0])
            throw SystemError(call: "posix_spawn", code: Errno(number: -process), subject: ownProgram)
        }
        guardProcess = process
        let channel = Descriptor(raw: ends[0])
        _ = tell(channel, .daemon(identity, marksByLimit: marksByLimit))
        return (ProcessID(number: process), channel)
    }

    func tellGuard(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, timeout: Duration)]?
    ) -> Bool {
        guard let steps, let launch = launches[leader] else { return tell(channel, .ended(launch: leader.launch)) }
        // The pid of a reaped leader is meaningless to the guard.
        let isLed = launch.groupNumber == .ledByLeader
        let members = tree(of: leader).map(\.identity)
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
        return send(bytes.span, to: channel) == .bytes(bytes.count)
    }

    var processTreeLimits: [String] {
        guard Self.seesProcesses else {
            let cause =
                Self.isProcMounted ? "/proc does not show this pid namespace" : "/proc is not mounted"
            return [
                "\(cause): a process that leaves the group of its backend is not found, and a listener whose owner "
                    + "cannot be shown does not count as the backend's"
            ]
        }
        var limits: [String] = []
        if !Self.listsEveryProcess {
            limits.append(
                "/proc hides processes of other users (hidepid): those of a backend are found only once their parent "
                    + "has ended"
            )
        }
        if !marksByLimit {
            limits.append(
                "the limit of file locks is fixed (RLIMIT_LOCKS): a process that leaves the session of its backend is "
                    + "found by its environment only")
        }
        if geteuid() == 0, !Self.hasCapability(.ptrace), !Self.hasCapability(.setUser) {
            limits.append(
                "without CAP_SYS_PTRACE and CAP_SETUID the sockets of a backend that changes its user cannot be seen")
        }
        return limits
    }

    private enum Capability: UInt64 {
        case setUser = 7
        case ptrace = 19
    }

    private static func hasCapability(_ capability: Capability) -> Bool {
        guard
            let line = contents(of: "/proc/self/status")?.split(separator: "\n").first(where: {
                $0.hasPrefix("CapEff:")
            }),
            let effective = UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16)
        else { return true }
        return effective >> capability.rawValue & 1 == 1
    }
}
