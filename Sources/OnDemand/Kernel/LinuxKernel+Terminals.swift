import CLinux
import Glibc

/// Pseudo-terminals (pty(7)) and the programs on them.
extension LinuxKernel {
    func spawnOnTerminal(_ command: LaunchCommand) throws(SystemError) -> TerminalProcess {
        let executable = try findExecutable(command)
        let (terminal, path) = try openTerminal()
        let process: Int32
        let launch = launches.nextNumber
        do throws(SystemError) {
            process = try start(executable, command, [], nil, launch, terminal: path)
        } catch {
            _ = Glibc.close(terminal)
            throw error
        }
        launches.began(process, start: Self.facts(of: process)?.start)
        return TerminalProcess(
            process: ProcessID(number: process, launch: launch), terminal: Descriptor(raw: terminal))
    }

    private func openTerminal() throws(SystemError) -> (descriptor: Int32, path: String) {
        var path = [CChar](repeating: 0, count: 64)
        let descriptor = unsafe ondemandd_open_terminal(&path, path.count, Limits.terminalRows, Limits.terminalColumns)
        guard descriptor >= 0 else {
            throw SystemError(call: "posix_openpt", code: Errno(number: -descriptor), subject: "/dev/ptmx")
        }
        return (descriptor, String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    func read(fromTerminal descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor.raw, bytes.baseAddress, min(bytes.count, limit))
            }
            // The other side is closed (pty(7)).
            if count < 0, errno == EIO { return .ended }
            if let result = ReadResult(count: count) { return result }
        }
    }
}
