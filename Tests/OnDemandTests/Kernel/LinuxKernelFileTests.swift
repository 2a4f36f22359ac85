import Foundation
import Testing

@testable import OnDemand

/// The daemon's own files, on a real disk.
struct LinuxKernelFileTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "ondemandd-\(UUID().uuidString)").path()
    private let kernel: LinuxKernel

    init() throws {
        kernel = try LinuxKernel()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func code(_ work: () throws -> Void) -> Errno? {
        do { try work() } catch { return (error as? SystemError)?.code }
        return nil
    }

    @Test("a written file is read back, is private, and leaves no temporary file")
    func roundTrip() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = "\(folder)/x.json"
        for text in ["first", "", String(repeating: "second", count: 50_000)] {
            try kernel.replaceFile(file, with: Array(text.utf8))
            #expect(try kernel.contents(ofFile: file, atMost: 1_000_000) == Array(text.utf8))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["x.json"])
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test("a failed read or write reports why, and leaves the old content")
    func refusals() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = "\(folder)/x.json"
        #expect(code { _ = try kernel.contents(ofFile: file, atMost: 9) } == .noSuchFile)
        #expect(code { try kernel.replaceFile("\(folder)/none/x.json", with: []) } == .noSuchFile)
        try kernel.replaceFile(file, with: Array("0123456789".utf8))
        #expect(code { _ = try kernel.contents(ofFile: file, atMost: 9) } == .tooLarge)
        #expect(code { _ = try kernel.contents(ofFile: folder, atMost: 9) } == .isDirectory)
        #expect(unsafe mkfifo("\(folder)/pipe", 0o600) == 0)
        #expect(code { _ = try kernel.contents(ofFile: "\(folder)/pipe", atMost: 9) } == .notRegular)
        // Another user has created a link at the temporary path.
        try FileManager.default.createSymbolicLink(atPath: "\(file).new", withDestinationPath: "\(folder)/pipe")
        #expect(code { try kernel.replaceFile(file, with: [1]) } != nil)
        #expect(try kernel.contents(ofFile: file, atMost: 99) == Array("0123456789".utf8))
    }

    @Test("a configuration may be a file or a pipe, its environment file only a file, with a limit of time and size")
    func kindsOfFiles() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let pipe = "\(folder)/pipe"
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        #expect(code { _ = try FileAccess.contents(ofFile: pipe) } == .notRegular)
        #expect(code { _ = try FileAccess.contents(ofFile: "/dev/zero") } == .notRegular)
        #expect(code { _ = try FileAccess.contents(ofFile: folder) } == .isDirectory)
        #expect(try FileAccess.contents(ofFile: "/dev/null") == [])
        #expect(try FileAccess.beginning(ofFile: "/dev/zero", from: .fileOrPipe, atMost: 100_000).count == 100_000)
        let large = "\(folder)/large"
        try Data(count: Limits.environmentFileBytes + 1).write(to: URL(filePath: large))
        #expect(code { _ = try FileAccess.contents(ofFile: large) } == .tooLarge)
        // Both ends are open before the first write.
        let writer = unsafe open(pipe, O_RDWR | O_NONBLOCK)
        let text = Array("first".utf8)
        #expect(unsafe write(writer, text, text.count) == text.count)
        let closer = Thread {
            usleep(20_000)
            close(writer)
        }
        closer.start()
        #expect(try FileAccess.beginning(ofFile: pipe, from: .fileOrPipe, atMost: 100) == text)
    }
}
