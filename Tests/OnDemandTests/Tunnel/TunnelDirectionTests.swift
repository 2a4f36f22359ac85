import Testing

@testable import OnDemand

struct TunnelDirectionTests {
    @Test("a new direction wants to read and nothing else")
    func new() {
        let pump = TunnelDirection()
        #expect(pump.wantsToRead)
        #expect(!pump.wantsToWrite && !pump.wantsToEndSink && !pump.isFinished)
    }

    @Test("a direction with buffered bytes reads no more: that is the whole backpressure")
    func pending() {
        var pump = TunnelDirection()
        pump.pending = ByteQueue([1, 2])
        #expect(!pump.wantsToRead && pump.wantsToWrite)
        pump.pending.removeFirst(2)
        #expect(pump.wantsToRead && !pump.wantsToWrite)
    }

    @Test("the sink gets the end once, after the last byte")
    func end() {
        var pump = TunnelDirection()
        pump.pending = ByteQueue([1])
        pump.endSource()
        #expect(!pump.wantsToRead && pump.wantsToWrite && !pump.wantsToEndSink)
        pump.pending.removeFirst(1)
        #expect(pump.wantsToEndSink && !pump.isFinished)
        pump.sinkEnded = true
        #expect(!pump.wantsToEndSink && !pump.wantsToRead && pump.isFinished)
    }

    @Test("in every state a direction wants at most one operation")
    func oneThing() {
        Exhaustive.run { choices in
            var pump = TunnelDirection()
            if choices.choose(2) == 1 { pump.endSource() }
            pump.sinkEnded = pump.sourceEnded && choices.choose(2) == 1
            if !pump.sinkEnded, choices.choose(2) == 1 { pump.pending = ByteQueue([1]) }
            let wishes = [pump.wantsToRead, pump.wantsToWrite, pump.wantsToEndSink, pump.isFinished].count { $0 }
            #expect(wishes == 1)
        }
    }
}
