import Testing

@testable import OnDemand

/// One census serves all process trees, and what was proven of a process is not asked again.
struct ProcessCensusTests {
    /// A machine whose files count how often they are read.
    private final class Files {
        var launches: [Int32: UInt64] = [:]
        var unreadable: Set<Int32> = []
        /// Without a mark.
        var unmarked: Set<Int32> = []
        private(set) var reads = 0

        func read(_ child: Int32) -> ProcessCensus.Membership {
            reads += 1
            guard !unreadable.contains(child) else { return .unknown }
            guard !unmarked.contains(child) else { return .untold }
            return launches[child].map { .member(launch: $0) } ?? .noMember
        }
    }

    @Test("the cost is one read for each process, however many trees wait and however often they are looked for")
    func cost() {
        let files = Files()
        for child: Int32 in 1...100 { files.launches[1000 + child] = UInt64(child) }
        var census = ProcessCensus()
        var children = Array(files.launches.keys) + [5000]
        for launch: UInt64 in 1...100 {
            if !census.isCurrent { census.take(children, isReadable: true, read: files.read) }
            #expect(census.members(of: launch) == [1000 + Int32(launch)])
        }
        #expect(files.reads == 101)
        for ended: Int32 in 1001...1100 {
            census.reaped(ended)
            children.removeAll { $0 == ended }
            #expect(!census.isCurrent)
            census.take(children, isReadable: true, read: files.read)
            #expect(census.isComplete && census.members(of: UInt64(ended - 1000)).isEmpty)
        }
        #expect(files.reads == 101, "a proof holds until the child is reaped")
    }

    @Test("a pid that was reaped proves nothing about the next process with it")
    func reuse() {
        let files = Files()
        files.launches[200] = 1
        var census = ProcessCensus()
        census.take([200], isReadable: true, read: files.read)
        census.reaped(200)
        files.launches[200] = 2
        census.take([200], isReadable: true, read: files.read)
        #expect(census.members(of: 1).isEmpty && census.members(of: 2) == [200] && files.reads == 2)
    }

    @Test("a census with unreadable files is incomplete, and is completed when they can be read")
    func unreadable() {
        let files = Files()
        files.launches[200] = 1
        files.unreadable = [200]
        var census = ProcessCensus()
        census.take([200], isReadable: true, read: files.read)
        #expect(!census.isComplete && census.members(of: 1).isEmpty)
        files.unreadable = []
        census.expire()
        census.take([200], isReadable: false, read: files.read)
        #expect(!census.isComplete && census.members(of: 1) == [200], "the list itself may be short")
        census.take([200], isReadable: true, read: files.read)
        #expect(census.isComplete)
    }

    @Test("a child without a mark is read again: the mark of a process in the middle of execve(2) cannot be read")
    func unmarked() {
        let files = Files()
        files.launches[200] = 1
        files.unmarked = [200, 300]
        var census = ProcessCensus()
        census.take([200, 300], isReadable: true, read: files.read)
        #expect(census.isComplete && census.members(of: 1).isEmpty)
        files.unmarked = [300]
        census.expire()
        census.take([200, 300], isReadable: true, read: files.read)
        #expect(census.isComplete && census.members(of: 1) == [200])
    }
}
