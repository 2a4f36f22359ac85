import CLinux
import Foundation
import Testing

@testable import OnDemand

/// Each test has its own process: reaping takes any child, and signals affect all threads.
struct LinuxKernelProcessTests {
    @Test("a child has its own output, directory and exit status")
    func outputAndExit() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let child = try bench.shell("pwd; echo trouble >&2; exit 7", in: "/usr")
            #expect(child.output == "/usr\n")
            #expect(child.errors == "trouble\n")
            #expect(child.exit == .status(7))
            #expect(try bench.shell("kill -9 $$").exit == .signal(9))
            #expect(try bench.run(LaunchCommand(command: "true")).exit == .status(0))
            #expect(bench.kernel.nextExited() == nil)
        }
    }

    @Test("S10 a child has three descriptors, an empty standard input, and blocking output")
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            // Two descriptors that must not be inherited, one of them without close-on-exec.
            let listener = try bench.kernel.listen(at: KernelHarness.anyPort)
            _ = dup(listener.descriptor.raw)
            let child = try bench.shell("ls /proc/self/fd | tr '\\n' ' '; cat; grep flags /proc/self/fdinfo/1")
            // The fourth is the directory that ls itself reads.
            #expect(child.lines.first?.hasPrefix("0 1 2 3 ") == true)
            #expect(child.lines.first?.contains("4") == false)
            let flags = child.output.split(separator: "\t").last.flatMap { Int($0.dropLast(), radix: 8) }
            #expect(flags.map { $0 & Int(O_NONBLOCK) == 0 } == true)
        }
    }

    @Test("S10 a child receives every signal, whatever its parent blocks and ignores")
    func signals() async {
        await #expect(processExitsWith: .success) {
            // As nohup(1) starts a daemon.
            signal(SIGHUP, SIG_IGN)
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()
            let child = try bench.run(LaunchCommand(command: "cat", arguments: ["/proc/self/status"]))
            let masks = child.lines.filter { ["SigBlk:", "SigIgn:", "SigCgt:"].contains($0.prefix(7)) }
            for line in masks {
                let mask = line.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
                #expect(mask == 0, "\(line)")
            }
            #expect(masks.count == 3)
        }
    }

    @Test("a child has the default timer slack, though the daemon does not")
    func timerSlack() async {
        await #expect(processExitsWith: .success) {
            let own = ondemandd_timer_slack()
            let bench = try KernelHarness()
            #expect(ondemandd_timer_slack() == 1)
            #expect(try bench.shell("cat /proc/$$/timerslack_ns").lines == ["\(own)"])
        }
    }

    @Test("a child leads its own session and group")
    func session() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let child = try bench.shell("cut -d' ' -f1,5,6 /proc/self/stat; cut -d' ' -f1,5,6 /proc/$$/stat")
            let own = try #require(child.lines.last).split(separator: " ")
            #expect(own.count == 3 && own[0] == own[1] && own[1] == own[2])
            #expect(own.first.flatMap { Int32($0) } != getpgrp())
        }
    }

    @Test("a command's variables override the daemon's, and the service manager's variables are not inherited")
    func environment() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            for (name, value) in [("KEPT", "k=1"), ("CHANGED", "old"), ("NOTIFY_SOCKET", "/x"), ("LISTEN_FDS", "3")] {
                unsafe setenv(name, value, 1)
            }
            let child = try bench.shell(
                "env",
                [
                    .init(name: "CHANGED", value: "new"), .init(name: "ADDED", value: "a b=c"),
                    .init(name: "EMPTY", value: ""),
                ])
            #expect(child.lines.contains("KEPT=k=1"))
            #expect(child.lines.contains("CHANGED=new") && !child.lines.contains("CHANGED=old"))
            #expect(child.lines.contains("ADDED=a b=c") && child.lines.contains("EMPTY="))
            #expect(!child.output.contains("NOTIFY_SOCKET") && !child.output.contains("LISTEN_FDS"))
        }
    }

    @Test("a command's variables come in the order of the file, after the daemon's")
    func environmentOrder() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let names = ["ZULU", "ALPHA", "MIKE"]
            let command = LaunchCommand(
                command: "/bin/cat", arguments: ["/proc/self/environ"], workingDirectory: "/",
                environment: names.map { .init(name: $0, value: "1") })
            let entries = try bench.run(command).output.split(separator: "\0").map { $0.prefix { $0 != "=" } }
            let positions = names.map { name in entries.firstIndex { $0 == name } ?? -1 }
            #expect(positions == positions.sorted() && positions[0] > 0)
        }
    }

    @Test("a command is found on its own PATH or the daemon's, and directories are skipped")
    func path() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let directory = try KernelHarness.directory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let (first, second) = ("\(directory)/first", "\(directory)/second")
            // First a directory of that name, then a non-executable file, then the command.
            try FileManager.default.createDirectory(atPath: "\(first)/tool", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: second, withIntermediateDirectories: true)
            try "no".write(toFile: "\(directory)/tool", atomically: true, encoding: .utf8)
            try KernelHarness.executable("echo found $0", at: "\(second)/tool")
            let path = LaunchCommand.Variable(name: "PATH", value: "\(first):\(directory):\(second):/usr/bin:/bin")
            var command = LaunchCommand(command: "tool", workingDirectory: "/", environment: [path])
            #expect(try bench.run(command).output == "found \(second)/tool\n")
            // An empty and a relative entry are relative to the child's directory, not the daemon's.
            command = LaunchCommand(
                command: "tool", workingDirectory: second, environment: [.init(name: "PATH", value: ":/bin")])
            #expect(try bench.run(command).lines.count == 1)
            command = LaunchCommand(
                command: "tool", workingDirectory: directory, environment: [.init(name: "PATH", value: "second")])
            #expect(try bench.run(command).lines.count == 1)
        }
    }

    @Test("a name with a slash is a path relative to the child's directory")
    func relativePath() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let directory = try KernelHarness.directory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            try KernelHarness.executable("pwd", at: "\(directory)/tool")
            let child = try bench.run(LaunchCommand(command: "./tool", workingDirectory: directory))
            #expect(child.output == "\(directory)\n")
        }
    }

    @Test("an error names the missing part: command, PATH or directory; and leaves nothing open")
    func missing() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            func error(_ command: LaunchCommand) -> String {
                do { return "\(try bench.kernel.spawn(command))" } catch { return error.description }
            }
            let path = LaunchCommand.Variable(name: "PATH", value: "/nowhere")
            #expect(
                error(LaunchCommand(command: "puma", environment: [path]))
                    == "find puma on PATH /nowhere: no such file or directory", "command")
            #expect(error(LaunchCommand(command: "/no/puma")) == "execve /no/puma: no such file or directory", "path")
            #expect(
                error(LaunchCommand(command: "true", workingDirectory: "/no/where"))
                    == "chdir /no/where: no such file or directory", "directory")
            #expect(
                error(LaunchCommand(command: "true", workingDirectory: "/bin/true"))
                    == "chdir /bin/true: not a directory", "file for a directory")
            #expect(error(LaunchCommand(command: "/etc/passwd")) == "execve /etc/passwd: permission denied", "mode")
            let before = KernelHarness.descriptorCount
            for _ in 0..<20 { _ = error(LaunchCommand(command: "/etc/passwd")) }
            let after = KernelHarness.descriptorCount
            #expect(after < before + 20, "descriptors")
            #expect(bench.kernel.nextExited() == nil, "children that never became a program")
        }
    }

    @Test("a file that is neither a program nor a script with an interpreter is rejected at once")
    func noProgram() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let directory = try KernelHarness.directory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            try KernelHarness.executable("", at: "\(directory)/tool")
            try "this is no program\n".write(toFile: "\(directory)/tool", atomically: false, encoding: .utf8)
            #expect {
                try bench.kernel.spawn(LaunchCommand(command: "\(directory)/tool"))
            } throws: { error in
                (error as? SystemError)?.code == .noProgram
            }
        }
    }

    @Test("a daemon without standard descriptors still gives them to its children")
    func withoutStandardDescriptors() async {
        await #expect(processExitsWith: .success) {
            let copies = (0..<3).map { fcntl($0, F_DUPFD_CLOEXEC, 20) }
            for descriptor in 0..<3 { close(Int32(descriptor)) }
            defer { for descriptor in 0..<3 { dup2(copies[descriptor], Int32(descriptor)) } }
            let bench = try KernelHarness()
            let child = try bench.shell("readlink /proc/self/fd/0; echo trouble >&2")
            #expect(child.output == "/dev/null\n" && child.errors == "trouble\n")
        }
    }

    @Test("R11 the daemon raises its own limit of descriptors, and gives its children the original one")
    func fileLimit() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 256
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let bench = try KernelHarness()
            #expect(try bench.shell("ulimit -Sn; ulimit -Hn").lines == ["256", "\(limit.rlim_max)"])
            var own = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &own)
            #expect(own.rlim_cur == limit.rlim_max)
        }
    }

    @Test("a child's output arrives also through a descriptor beyond the child's limit")
    func descriptorsBeyondTheLimit() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 128
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let bench = try KernelHarness()
            for _ in 0..<200 { _ = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }
            let finished = try bench.shell("echo out; echo err >&2")
            #expect(finished.output == "out\n")
            #expect(finished.errors == "err\n")
        }
    }

    @Test("a signal reaches the whole group, and the process tree exists until its last member was reaped")
    func group() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()  // The test adopts orphans.
            let command = LaunchCommand(
                command: "/bin/sh", arguments: ["-c", "sleep 60 & echo up; exit 0"], workingDirectory: "/")
            let spawned = try bench.kernel.spawn(command)
            #expect(bench.reaped() == ExitedProcess(process: spawned.process, exit: .status(0)), "the leader first")
            #expect(bench.kernel.endedTrees(among: [spawned.process]) == [], "a grandchild is left")
            bench.kernel.signal(treeOf: spawned.process, .terminate)
            #expect(bench.reaped()?.exit == .signal(15), "the orphan is ours to reap")
            #expect(bench.kernel.endedTrees(among: [spawned.process]) == [spawned.process], "no process is left")
            #expect(bench.kernel.nextExited() == nil, "nothing is left to reap")
        }
    }

    @Test("a process that left the group for its own session belongs to the process tree, also after its parent's exit")
    func strays() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()
            let script = "setsid sh -c 'echo up; exec sleep 60' & exec sleep 60"
            let spawned = try bench.kernel.spawn(LaunchCommand(command: "sh", arguments: ["-c", script]))
            let token = Token(SupervisorToken.output, index: 0, generation: 1)
            try bench.kernel.watch(spawned.output, for: .readable, as: token)
            #expect(bench.events { $0[token] != nil }[token] == .readable, "the stray has its session")
            #expect(bench.kernel.trees.tree(of: spawned.process).count == 2, "leader and stray")
            bench.kernel.signal(treeOf: spawned.process, .terminate)
            let ended = [bench.reaped(), bench.reaped()]
            #expect(ended.allSatisfy { $0?.exit == .signal(15) }, "both were told")
            #expect(bench.kernel.endedTrees(among: [spawned.process]) == [spawned.process], "no process is left")
        }
    }

    @Test("a listener belongs to the backend's process or to a foreign one")
    func listenerOfTree() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()
            let spawned = try bench.kernel.spawn(LaunchCommand(command: "sleep", arguments: ["60"]))
            let ours = try bench.kernel.listen(at: KernelHarness.anyPort)
            func owner() -> SocketLookup {
                bench.kernel.listener(at: ours.address, accepting: nil, belongsToTreeOf: spawned.process)
            }
            #expect(owner() == .foreignProcess, "we are not our child")
            bench.kernel.close(ours.descriptor)
            #expect(owner() == .noListener, "no listener")
            bench.kernel.signal(treeOf: spawned.process, .kill)
            #expect(bench.reaped()?.exit == .signal(9), "killed")
        }
    }

    @Test("the daemon's own signals arrive as readable events, many children as one")
    func ownSignals() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let signals = try bench.kernel.openSignals()
            let token = Token(DaemonToken.signals, index: 0, generation: 0)
            try bench.kernel.watch(signals, for: .readable, as: token)
            #expect(bench.kernel.nextSignal(from: signals) == nil)
            // To this thread, because only its mask is the test's own: the daemon has no other thread.
            for number in [SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGCHLD] { pthread_kill(pthread_self(), number) }
            #expect(bench.events { $0[token] != nil }[token] == .readable)
            var seen: Set<DaemonSignal> = []
            while let signal = bench.kernel.nextSignal(from: signals) { seen.insert(signal) }
            #expect(seen == [.terminate, .interrupt, .hangUp, .childChanged])
        }
    }

    @Test("a log line is written whole, and a stalled reader costs only the lines")
    func log() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            var ends: [Int32] = [-1, -1]
            unsafe pipe(&ends)
            dup2(ends[1], STDERR_FILENO)
            close(ends[1])
            let line = Array("hello\n".utf8)
            #expect(bench.kernel.log(line.span) == line.count)
            let flood = [UInt8](repeating: 0x78, count: 1024 * 1024)
            let taken = bench.kernel.log(flood.span)
            #expect(taken > 0 && taken < flood.count)
            #expect(bench.kernel.log(line.span) == 0)
            close(ends[0])
            #expect(bench.kernel.log(line.span) == line.count, "the reader is gone")
        }
    }

    @Test("trimMemory returns memory, which can be allocated again")
    func givingBack() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            #expect(try bench.shell("echo once").lines == ["once"])
            let before = try #require(bench.kernel.residentBytes(of: nil))
            bench.kernel.trimMemory()
            let after = try #require(bench.kernel.residentBytes(of: nil))
            #expect(after < before / 2, "bytes before and after: \(before), \(after)")
            #expect(try bench.shell("echo twice").lines == ["twice"])
        }
    }

    @Test("a hundred spawns leave no descriptor and no zombie")
    func noLeak() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            _ = try bench.run(LaunchCommand(command: "true"))
            let before = KernelHarness.descriptorCount
            for _ in 0..<100 { #expect(try bench.run(LaunchCommand(command: "true")).exit == .status(0)) }
            #expect(KernelHarness.descriptorCount < before + 10)
            #expect(bench.kernel.nextExited() == nil)
        }
    }
}
