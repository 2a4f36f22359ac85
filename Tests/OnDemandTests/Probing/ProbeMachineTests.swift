import Testing

@testable import OnDemand

@Suite("Probe machine")
struct ProbeMachineTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let purpose: ProbeMachine.Purpose
        let check: ReadinessCheck
        var inheritsSocket = false

        var testDescription: String { "\(purpose), \(check.requirement(at: nil))" }
        var facts: ProbeMachine.Facts {
            .init(check: check, inheritsSocket: inheritsSocket, elapsed: .seconds(1))
        }
    }

    static let http = ReadinessCheck.http(path: "/up", status: .success)
    static let cases = [
        Case(purpose: .checkAddress, check: .tcp), Case(purpose: .readiness, check: .tcp),
        Case(purpose: .readiness, check: http), Case(purpose: .readiness, check: .notify),
        Case(purpose: .readiness, check: .socket, inheritsSocket: true),
    ]

    @Test(
        "every sequence of events: one result, no foreign listener, no lost connection, always a way on",
        arguments: cases)
    func walk(_ probe: Case) {
        var results: Set<String> = []
        var walked = 0
        func visit(_ walk: ProbeWalk, _ path: [ProbeWalk.Choice]) {
            walked += 1
            results.formUnion(walk.reports.map { "\($0)" })
            if let fault = walk.fault {
                Issue.record("\(fault), after \(path)")
                return
            }
            guard path.count < 8 else { return }
            for choice in walk.choices {
                var next = walk
                next.take(choice)
                visit(next, path + [choice])
            }
        }
        visit(ProbeWalk(probe.purpose, probe.facts), [])
        #expect(walked > 100)
        let expected: Set<String> =
            probe.purpose == .checkAddress ? ["addressTaken", "addressFree"] : ["probeSucceeded"]
        #expect(results == expected)
    }

    /// A machine by reference, because a macro cannot call a mutating function.
    private final class Probe {
        var machine = ProbeMachine()
        var facts: ProbeMachine.Facts

        init(_ check: ReadinessCheck, hasAddress: Bool = true, elapsed: Duration = .seconds(1)) {
            facts = ProbeMachine.Facts(check: check, hasAddress: hasAddress, elapsed: elapsed)
        }

        /// The effects of the last event.
        func tell(_ events: ProbeMachine.Event...) -> [ProbeMachine.Effect] {
            events.map { machine.apply($0, facts) }.last ?? []
        }

        func noteConflict() -> Bool { machine.noteConflict() }
    }

    @Test("without an address a backend is ready as soon as it runs, and has no conflict before")
    func noAddress() {
        let probe = Probe(.tcp, hasAddress: false)
        #expect(probe.tell(.begin(.checkAddress)) == [.report(.addressFree)])
        #expect(probe.tell(.begin(.readiness)) == [.disarm, .report(.probeSucceeded)])
    }

    @Test("a listener of the backend's own tree needs no connection")
    func lookup() {
        let probe = Probe(.tcp)
        #expect(probe.tell(.begin(.readiness)) == [.lookUp])
        #expect(probe.tell(.lookedUp(.ownProcess)) == [.disarm, .report(.probeSucceeded)])
    }

    @Test("where a lookup finds no listener, a connection is tried from time to time")
    func forwardedPort() {
        let probe = Probe(.tcp, elapsed: .milliseconds(1))
        _ = probe.tell(.begin(.readiness))
        guard case .arm = probe.tell(.lookedUp(.noListener)).first else {
            Issue.record("no pause")
            return
        }
        probe.facts.elapsed = .milliseconds(300)
        #expect(probe.tell(.timeReached) == [.lookUp])
        #expect(probe.tell(.lookedUp(.noListener)) == [.connect])
    }

    @Test("READY=1 during an attempt does not begin a second one")
    func notifiedTwice() {
        let probe = Probe(.notify, elapsed: .seconds(1))
        #expect(probe.tell(.begin(.readiness)) == [])
        #expect(probe.machine.awaitsNotification)
        #expect(probe.tell(.notified) == [.lookUp])
        #expect(probe.tell(.lookedUp(.unsupported)) == [.connect])
        #expect(probe.tell(.notified) == [])
    }

    @Test("an attempt that is under way when the listener is lost again ends before the next")
    func lostDuringAttempt() {
        let probe = Probe(Self.http, elapsed: .seconds(1))
        _ = probe.tell(.begin(.readiness), .lookedUp(.unsupported), .connectionStarted)
        #expect(probe.machine.isConnecting)
        #expect(probe.tell(.listenerLost).prefix(2) == [.close, .disarm])
        #expect(probe.machine.isPausing)
    }

    @Test("a backend's late close handshake is awaited without delaying its start")
    func leaving() throws {
        let probe = Probe(Self.http)
        let conversation = try #require(ProbeConversation(Self.http, host: "localhost", dice: { 7 }))
        let done = probe.tell(
            .begin(.readiness), .lookedUp(.ownProcess), .connected, .conversation(conversation),
            .received(Array(ProbeWalk.ready.utf8)[...]))
        #expect(done == [.send([]), .arm(after: Limits.closeTimeout), .report(.probeSucceeded)])
        #expect(probe.tell(.received([1])) == [])
        #expect(probe.tell(.ended) == [.close, .disarm])
    }

    @Test("the last foreign senders of READY=1 are known, and their number is limited")
    func foreignSenders() {
        let probe = Probe(.notify)
        _ = probe.tell(.begin(.readiness))
        let senders = (0...Limits.foreignSendersKept).map { ProcessID(number: Int32(100 + $0)) }
        for sender in senders { probe.machine.noteForeignSender(sender) }
        #expect(!probe.machine.isKnownForeigner(senders[0]))
        #expect(senders.dropFirst().allSatisfy(probe.machine.isKnownForeigner))
        #expect(probe.noteConflict())
        #expect(!probe.noteConflict())
    }
}
