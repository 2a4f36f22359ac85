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

    @Test("what is written is read back, nobody else may read it, and nothing is left beside it")
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

    @Test("what cannot be read or written says why, and leaves what was there")
    func refusals() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = "\(folder)/x.json"
        #expect(code { _ = try kernel.contents(ofFile: file, atMost: 9) } == .noSuchFile)
        #expect(code { try kernel.replaceFile("\(folder)/none/x.json", with: []) } == .noSuchFile)
        try kernel.replaceFile(file, with: Array("0123456789".utf8))
        #expect(code { _ = try kernel.contents(ofFile: file, atMost: 9) } == .tooLarge)
        #expect(code { _ = try kernel.contents(ofFile: folder, atMost: 9) } == .notRegular)
        #expect(unsafe mkfifo("\(folder)/pipe", 0o600) == 0)
        #expect(code { _ = try kernel.contents(ofFile: "\(folder)/pipe", atMost: 9) } == .notRegular)
        // Where its new contents are to be written, somebody else has put a link.
        try FileManager.default.createSymbolicLink(atPath: "\(file).new", withDestinationPath: "\(folder)/pipe")
        #expect(code { try kernel.replaceFile(file, with: [1]) } != nil)
        #expect(try kernel.contents(ofFile: file, atMost: 99) == Array("0123456789".utf8))
    }
}
