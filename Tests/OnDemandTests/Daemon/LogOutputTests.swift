import Testing

@testable import OnDemand

struct LogOutputTests {
    private let kernel = SimulatedKernel(seed: 1)
    private let output: LogOutput<SimulatedKernel>

    init() { output = LogOutput(kernel: kernel) }

    private func use(_ path: String, maximumBytes: UInt64 = 100) throws {
        output.update(try output.prepare(LogPlace(path: path, maximumBytes: maximumBytes)))
    }

    /// Writes lines of 10 bytes each.
    private func write(_ numbers: some Sequence<Int>) -> [Int] {
        numbers.map { output.write(Array("line \(String($0 + 1000))\n".utf8)) }
    }

    private func lines(_ path: String) -> [String] { kernel.logDisk.files[path]?.lines ?? [] }

    @Test("lines go to standard error, or to the configured file")
    func places() throws {
        #expect(write(0..<1) == [10] && kernel.logLines.count == 1)
        try use("/log")
        #expect(write(1..<3) == [10, 10] && kernel.logLines.count == 1)
        #expect(lines("/log") == ["line 1001", "line 1002"])
        output.close()
        _ = write(3..<4)
        #expect(kernel.logLines.count == 2 && kernel.files.isEmpty)
    }

    @Test("a file at its limit is renamed to its only predecessor, and a new one begins")
    func bound() throws {
        try use("/log")
        #expect(write(0..<35).allSatisfy { $0 == 10 })
        #expect(lines("/log").count == 5 && lines("/log").last == "line 1034")
        #expect(lines("/log.1").count == 10 && lines("/log.1").first == "line 1020")
        #expect(Set(kernel.logDisk.files.keys) == ["/log", "/log.1"])
        #expect(kernel.files.count == 1, "one descriptor, however often")
    }

    @Test("a file that is not regular has no limit, and is never renamed")
    func devices() throws {
        kernel.logDisk.devices = ["/dev/stdout"]
        try use("/dev/stdout")
        #expect(write(0..<35).allSatisfy { $0 == 10 })
        #expect(lines("/dev/stdout").count == 35 && kernel.logDisk.files.count == 1)
        #expect(kernel.complaints == [] && kernel.logLines.isEmpty)
    }

    @Test("a file that another program has renamed is not renamed again")
    func movedAway() throws {
        try use("/log")
        _ = write(0..<10)
        kernel.logDisk.files["/log.old"] = kernel.logDisk.files.removeValue(forKey: "/log")
        _ = write(10..<11)
        #expect(lines("/log") == ["line 1010"] && lines("/log.old").count == 10)
        #expect(kernel.logDisk.files.keys.sorted() == ["/log", "/log.old"])
    }

    @Test("existing bytes count, and a line longer than the limit has its own file")
    func sizes() throws {
        try use("/log")
        _ = write(0..<9)
        output.close()
        try use("/log")
        _ = write(9..<11)
        #expect(lines("/log").count == 1 && lines("/log.1").count == 10)
        #expect(output.write(Array(repeating: UInt8(ascii: "x"), count: 500)) == 500)
        #expect(kernel.logDisk.files["/log"]?.bytes.count == 500)
        _ = write(11..<12)
        #expect(lines("/log") == ["line 1011"])
    }

    @Test("a full disk takes a part of a line, and the rest follows it into the same file")
    func fullDisk() throws {
        try use("/log", maximumBytes: 14)
        kernel.logDisk.room = 4
        let line = Array("line 1000\n".utf8)
        #expect(output.write(line) == 4)
        #expect(output.write(Array(line[4...])) == 0)
        kernel.logDisk.room = nil
        #expect(output.write(Array(line[4...])) == 6)
        #expect(lines("/log") == ["line 1000"] && kernel.logLines.isEmpty)
        _ = write(1..<2)
        #expect(lines("/log") == ["line 1001"] && lines("/log.1") == ["line 1000"])
    }

    @Test("lines go to standard error, with the reason once, until a new file can begin")
    func noNewFile() throws {
        try use("/log")
        _ = write(0..<10)
        kernel.logDisk.renameFailure = .permissionDenied
        #expect(write(10..<13) == [10, 10, 10])
        #expect(lines("/log").count == 10, "the bound holds")
        let told = kernel.logLines.map { String(decoding: $0, as: UTF8.self) }
        #expect(told.count == 4)
        #expect(told[0] == "ondemandd: rename /log: permission denied; the log goes on here\n")
        kernel.logDisk.renameFailure = nil
        _ = write(13..<14)
        #expect(lines("/log") == ["line 1013"] && kernel.logLines.count == 4)

        kernel.logDisk.openFailure = .tooManyFiles
        _ = write(14..<25)
        #expect(kernel.logLines.count > 4 && kernel.files.isEmpty)
        kernel.logDisk.openFailure = nil
        _ = write(25..<26)
        #expect(lines("/log") == ["line 1025"] && kernel.files.count == 1)
    }

    @Test("a renamed file is closed at a reopen; if the reopen fails, it stays in use")
    func reopening() throws {
        try use("/log")
        _ = write(0..<1)
        kernel.logDisk.files["/log.old"] = kernel.logDisk.files.removeValue(forKey: "/log")
        _ = write(1..<2)
        #expect(lines("/log.old").count == 2)
        kernel.logDisk.openFailure = .permissionDenied
        #expect(throws: SystemError.self) { try output.reopen() }
        _ = write(2..<3)
        #expect(lines("/log.old").count == 3)
        kernel.logDisk.openFailure = nil
        try output.reopen()
        _ = write(3..<4)
        #expect(lines("/log") == ["line 1003"] && lines("/log.old").count == 3 && kernel.files.count == 1)
    }

    @Test("a change is prepared before it applies, and an aborted one leaves nothing open")
    func changes() throws {
        try use("/log")
        let prepared = try output.prepare(LogPlace(path: "/other", maximumBytes: 100))
        output.abandon(prepared)
        _ = write(0..<1)
        #expect(lines("/log").count == 1 && kernel.files.count == 1)
        kernel.logDisk.openFailure = .noSuchFile
        #expect(throws: SystemError.self) { try output.prepare(LogPlace(path: "/other", maximumBytes: 100)) }
        try use("/log", maximumBytes: 10)  // The same file is not opened again.
        _ = write(1..<2)
        #expect(lines("/log.1") == ["line 1000"])
        output.update(try output.prepare(nil))
        #expect(kernel.files.isEmpty && !output.hasFile)
        #expect(kernel.complaints == [])
    }

    @Test(
        "auto is the journal format exactly where the journal reads standard error",
        arguments: [
            (LogFormat.auto, LogReader.journal, LogFormat.journal), (.auto, .other, .auto), (.text, .journal, .text),
            (.json, .journal, .json), (.journal, .other, .journal),
        ])
    func formats(format: LogFormat, reader: LogReader, expected: LogFormat) {
        #expect(Configuration.Log(format: format).style(for: reader).format == expected)
        #expect(Configuration.Log(format: format, file: "/log").style(for: reader).format == format)
    }

    @Test("colours are used on a terminal, and never in a file")
    func paint() {
        let terminal = LogReader.terminal(Terminal(isTerminal: true, environment: [:]))
        #expect(Configuration.Log().style(for: terminal).paint == .colours)
        #expect(Configuration.Log(file: "/log").style(for: terminal).paint == .plain)
        #expect(Configuration.Log().style(for: .other).paint == .plain)
    }
}
