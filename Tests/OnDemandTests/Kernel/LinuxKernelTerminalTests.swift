import Glibc
import Testing

@testable import OnDemand

/// Programs on real pseudo-terminals. Each test has its own process: reaping takes any child.
struct LinuxKernelTerminalTests {
    private struct Finished {
        let output: String
        let exit: Exit?

        var lines: [String] { output.split(separator: "\r\n").map { String($0) } }
    }

    /// Runs a script, and reads what it writes until its process tree is gone and the terminal is empty.
    private static func shell(_ bench: KernelHarness, _ script: String, delay: Bool = false) throws -> Finished {
        let spawned = try bench.kernel.spawnOnTerminal(
            LaunchCommand(command: "/bin/sh", arguments: ["-c", script], workingDirectory: "/"))
        defer { bench.kernel.close(spawned.terminal) }
        let token = Token(CommandRunnerToken.terminal, index: 0, generation: 1)
        try bench.kernel.watch(spawned.terminal, for: .edges, as: token)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        var exit: Exit?
        let deadline = bench.kernel.now() + .seconds(10)
        while bench.kernel.now() < deadline {
            if !delay || exit != nil {
                while case .bytes(let count) = bench.kernel.read(
                    fromTerminal: spawned.terminal, into: &buffer, atMost: buffer.count)
                { bytes += buffer[..<count] }
            }
            if exit != nil, bench.kernel.endedTrees(among: [spawned.process]) == [spawned.process] { break }
            while let ended = bench.kernel.nextExited() {
                bench.kernel.reap(ended.process)
                if ended.process == spawned.process { exit = ended.exit }
            }
            if exit == nil { _ = bench.kernel.wait(until: bench.kernel.now() + .milliseconds(5)) }
        }
        while case .bytes(let count) = bench.kernel.read(
            fromTerminal: spawned.terminal, into: &buffer, atMost: buffer.count)
        { bytes += buffer[..<count] }
        return Finished(output: String(decoding: bytes, as: UTF8.self), exit: exit)
    }

    @Test("a program has the terminal as its descriptors and as its controlling terminal, of 80 columns and 24 rows")
    func terminal() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let count = "set -- /proc/$$/fd/*; echo $#"
            let finished = try Self.shell(
                bench, "tty; stty size; \(count); echo reached > /dev/tty; ps -o tty= -p $$; exit 7")
            let lines = finished.lines
            #expect(finished.exit == .status(7) && lines.count == 5, "\(lines)")
            #expect(lines.first?.hasPrefix("/dev/pts/") == true)
            #expect(lines.dropFirst().first == "24 80")
            #expect(lines.dropFirst(2).first == "4", "three descriptors, and that of the shell that lists them")
            #expect(lines.contains("reached") && "/dev/\(lines.last ?? "")" == lines.first)
        }
    }

    @Test("a program leads its session and the terminal's foreground group, and signals are as usual")
    func session() async {
        await #expect(processExitsWith: .success) {
            signal(SIGHUP, SIG_IGN)
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()
            // In the shell's place: a shell blocks all signals for moments while it waits for a program.
            let finished = try Self.shell(
                bench, "cut -d' ' -f1,5,6,8 /proc/$$/stat; exec grep -E 'Sig(Blk|Ign)' /proc/self/status")
            let numbers = finished.lines.first?.split(separator: " ").compactMap { Int($0) } ?? []
            #expect(numbers.count == 4 && Set(numbers).count == 1, "\(finished.lines)")
            #expect(finished.lines.count == 3)
            #expect(finished.lines.dropFirst().allSatisfy { $0.hasSuffix("0000000000000000") })
        }
    }

    @Test("the daemon's COLUMNS and LINES are not inherited, and a line feed becomes a line end of a terminal")
    func environment() async {
        await #expect(processExitsWith: .success) {
            unsafe setenv("COLUMNS", "7", 1)
            unsafe setenv("LINES", "7", 1)
            unsafe setenv("KEPT", "1", 1)
            let bench = try KernelHarness()
            let finished = try Self.shell(bench, "echo [$COLUMNS][$LINES][$KEPT]")
            #expect(finished.output == "[][][1]\r\n")
        }
    }

    @Test("all output comes before the end, also what a program wrote right before its exit")
    func lastOutput() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            // More than 8000 bytes would not fit into a terminal that is not read.
            for (count, delay) in [
                (1, false), (4000, false), (20_000, false), (50_000, false), (1, true), (8000, true),
            ] {
                let finished = try Self.shell(bench, "exec head -c \(count) /dev/zero", delay: delay)
                #expect(finished.output.utf8.count == count && finished.exit == .status(0))
            }
        }
    }

    @Test("a program may close its terminal, go on, and open it again")
    func closed() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let finished = try Self.shell(
                bench,
                "t=$(tty); echo first; exec <&- >&- 2>&-; sleep 0.2; exec >$t; echo second; exec >&-; sleep 0.1; exit 4"
            )
            #expect(finished.output == "first\r\nsecond\r\n" && finished.exit == .status(4))
        }
    }

    @Test("a process that holds the terminal open after the exit of the first one does not delay its output")
    func held() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            _ = try bench.kernel.openSignals()
            let finished = try Self.shell(bench, "trap '' HUP; sleep 0.5 & echo done")
            #expect(finished.output == "done\r\n" && finished.exit == .status(0))
        }
    }

    @Test("an error names the missing part, and leaves nothing open")
    func errors() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let before = KernelHarness.descriptorCount
            for _ in 0..<20 {
                #expect {
                    try bench.kernel.spawnOnTerminal(LaunchCommand(command: "/no/program"))
                } throws: { "\($0)" == "execve /no/program: no such file or directory" }
                #expect {
                    try bench.kernel.spawnOnTerminal(LaunchCommand(command: "true", workingDirectory: "/no/where"))
                } throws: { "\($0)" == "chdir /no/where: no such file or directory" }
            }
            for _ in 0..<20 { #expect(try Self.shell(bench, "exit 0").exit == .status(0)) }
            #expect(KernelHarness.descriptorCount < before + 5)
            #expect(bench.kernel.nextExited() == nil)
        }
    }
}
