@testable import OnDemand

/// A log file; it keeps its identity when its name changes.
final class SimulatedLogFile {
    var bytes: [UInt8] = []

    var lines: [String] { String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { String($0) } }
}

/// The files by name, and the faults of the disk.
struct SimulatedLogDisk {
    var files: [String: SimulatedLogFile] = [:]
    /// Free space in bytes; nil: unlimited.
    var room: Int?
    /// The errno of the next open; nil: none.
    var openFailure: Errno?
    var renameFailure: Errno?
    /// Paths that name no regular file.
    var devices: Set<String> = []
}

extension SimulatedKernel {
    func openLogFile(_ path: String) throws(SystemError) -> LogFile {
        if let failure = logDisk.openFailure { throw SystemError(call: "open", code: failure, subject: path) }
        let file = logDisk.files[path] ?? SimulatedLogFile()
        logDisk.files[path] = file
        return LogFile(
            descriptor: insert(.logFile(file)),
            byteCount: logDisk.devices.contains(path) ? nil : UInt64(file.bytes.count))
    }

    func append(_ line: Span<UInt8>, to file: Descriptor) -> Int {
        guard case .logFile(let opened)? = files[file.raw] else {
            complain("a line for descriptor \(file.raw), which is no file")
            return 0
        }
        let taken = min(line.count, logDisk.room ?? line.count)
        for index in 0..<taken { opened.bytes.append(line[index]) }
        if let room = logDisk.room { logDisk.room = room - taken }
        return taken
    }

    func moveLogFile(_ file: Descriptor, named path: String, suffix: String) throws(SystemError) {
        if logDisk.devices.contains(path) { complain("\(path) was renamed, which is no regular file") }
        if let failure = logDisk.renameFailure { throw SystemError(call: "rename", code: failure, subject: path) }
        guard case .logFile(let opened)? = files[file.raw], logDisk.files[path] === opened else { return }
        logDisk.files[path] = nil
        logDisk.files[path + suffix] = opened
    }
}
