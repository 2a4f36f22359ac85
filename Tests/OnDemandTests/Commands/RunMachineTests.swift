import Testing

@testable import OnDemand

struct RunMachineTests {
    private static let plan = StopPlan(steps: [
        .init(signal: .terminate, timeout: .seconds(5)), .init(signal: .quit, timeout: .seconds(3)),
    ])

    private func running() -> RunMachine {
        var machine = RunMachine(timeout: .seconds(600), stopPlan: Self.plan)
        #expect(machine.apply(.spawned, at: noon) == [.arm(.timeout, at: noon + .seconds(600))])
        return machine
    }

    private func ended(_ machine: RunMachine) -> RunMachine.Outcome? {
        if case .ended(let outcome) = machine.state { outcome } else { nil }
    }

    @Test("a program that exits has its status as the result, when its tree is gone and its output is read")
    func exits() {
        var machine = running()
        let exited = machine.apply(.exited(.status(3)), at: noon)
        #expect(
            exited == [.disarm(.timeout), .signal(.terminate), .arm(.stopStep, at: noon + .seconds(5))],
            "others of the tree are told to end")
        #expect(machine.awaitsTree && machine.outcome == nil)
        #expect(machine.apply(.treeGone, at: noon) == [.disarm(.stopStep), .disarm(.kill), .readRest])
        #expect(machine.isDraining && machine.shownState == .stopping)
        let outcome = RunMachine.Outcome(ending: .exited, exit: .status(3))
        #expect(machine.apply(.outputRead, at: noon) == [.end(outcome)])
        #expect(ended(machine) == outcome && machine.shownState == .ended)
    }

    @Test("a program that was killed by another process is reported so")
    func killed() {
        var machine = running()
        for event: RunMachine.Event in [.exited(.signal(11)), .treeGone, .outputRead] {
            _ = machine.apply(event, at: noon)
        }
        #expect(ended(machine) == .init(ending: .killed, exit: .signal(11)))
    }

    @Test("a program that cannot be started has no exit")
    func spawnFails() {
        var machine = RunMachine(timeout: .seconds(600), stopPlan: Self.plan)
        let outcome = RunMachine.Outcome(ending: .spawnFailed, exit: nil)
        #expect(machine.apply(.spawnFailed, at: noon) == [.end(outcome)])
        #expect(machine.hasEnded)
    }

    @Test(
        "the reason of a stop is the result, whatever the exit is",
        arguments: [
            (RunMachine.Event.timerFired(.timeout), RunEnding.timedOut), (.stopRequested, .stopped),
            (.shutdownRequested(killAt: noon + .seconds(60)), .shutdown), (.killRequested, .shutdown),
        ])
    func reasons(event: RunMachine.Event, ending: RunEnding) {
        for exit: Exit in [.status(0), .status(1), .signal(15), .signal(9)] {
            var machine = running()
            let effects = machine.apply(event, at: noon)
            #expect(effects.contains(.signal(event == .killRequested ? .kill : .terminate)))
            #expect(machine.shownState == .stopping)
            for event: RunMachine.Event in [.exited(exit), .treeGone, .outputRead] {
                _ = machine.apply(event, at: noon)
            }
            #expect(ended(machine) == .init(ending: ending, exit: exit))
        }
    }

    @Test("a stop plan goes step by step, and then to KILL until no process is left")
    func stopPlan() {
        var machine = running()
        _ = machine.apply(.stopRequested, at: noon)
        var signals: [StopSignal] = []
        var now = noon
        for _ in 0..<12 {
            now = now + .seconds(1)
            for effect in machine.apply(.timerFired(.stopStep), at: now) {
                if case .signal(let signal) = effect { signals.append(signal) }
            }
        }
        #expect(signals == [.quit] + Array(repeating: .kill, count: 11))
    }

    @Test("a refused KILL closes the terminal once, and a refused TERM does not")
    func refusedSignals() {
        var machine = running()
        _ = machine.apply(.stopRequested, at: noon)
        #expect(machine.apply(.signalRefused(.terminate), at: noon) == [])
        for _ in 0..<2 { _ = machine.apply(.timerFired(.stopStep), at: noon) }
        #expect(machine.apply(.signalRefused(.kill), at: noon) == [.hangUp])
        #expect(machine.apply(.signalRefused(.kill), at: noon) == [])
        for event: RunMachine.Event in [.exited(.signal(1)), .treeGone, .outputRead] {
            _ = machine.apply(event, at: noon)
        }
        #expect(ended(machine) == .init(ending: .stopped, exit: .signal(1)))
    }

    @Test("a stop is overdue five seconds after its plan: the terminal is closed, and each KILL reports what is left")
    func overdue() {
        var machine = running()
        _ = machine.apply(.stopRequested, at: noon)
        for _ in 0..<Self.plan.overdueStep - 1 {
            #expect(machine.apply(.timerFired(.stopStep), at: noon).count == 2)
        }
        let next = noon + Limits.overdueStopRetry
        #expect(
            machine.apply(.timerFired(.stopStep), at: noon)
                == [.signal(.kill), .arm(.stopStep, at: next), .hangUp, .reportOverdue])
        #expect(
            machine.apply(.timerFired(.stopStep), at: noon)
                == [.signal(.kill), .arm(.stopStep, at: next), .reportOverdue])
    }

    @Test("a second reason changes nothing but the time")
    func secondReason() {
        var machine = running()
        _ = machine.apply(.timerFired(.timeout), at: noon)
        #expect(machine.apply(.stopRequested, at: noon) == [])
        #expect(
            machine.apply(.shutdownRequested(killAt: noon + .seconds(2)), at: noon) == [
                .arm(.kill, at: noon + .seconds(2))
            ])
        let effects = machine.apply(.timerFired(.kill), at: noon + .seconds(2))
        #expect(effects.contains(.signal(.kill)))
        #expect(machine.apply(.killRequested, at: noon + .seconds(2)) == [], "KILL is repeated by its timer")
        for event: RunMachine.Event in [.exited(.signal(9)), .treeGone, .outputRead] {
            _ = machine.apply(event, at: noon)
        }
        #expect(ended(machine)?.ending == .timedOut)
    }

    @Test("events that cannot happen trap")
    func impossible() async {
        await #expect(processExitsWith: .failure) {
            var machine = RunMachine(timeout: .seconds(1), stopPlan: StopPlan(steps: []))
            _ = machine.apply(.exited(.status(0)), at: noon)
        }
        await #expect(processExitsWith: .failure) {
            var machine = RunMachine(timeout: .seconds(1), stopPlan: StopPlan(steps: []))
            _ = machine.apply(.spawned, at: noon)
            _ = machine.apply(.treeGone, at: noon)
        }
    }
}

/// Every sequence of events that a system can cause, with the promises of the machine checked after each.
struct RunWalkTests {
    /// A run with the surroundings that a driver gives it: processes, a terminal, timers.
    private struct Walk {
        enum Move: CaseIterable {
            case spawn, failSpawn, exit, crash, leaveOthers, othersEnd, readOutput
            case timeout, stopStep, kill, stop, shutDown, killNow
            case forbid
        }

        enum Process { case none, leader, others, gone }

        var machine = RunMachine(
            timeout: .seconds(10), stopPlan: StopPlan(steps: [.init(signal: .terminate, timeout: .seconds(5))]))
        var now = noon
        var process = Process.none
        var timers: [RunTimer: Instant] = [:]
        var ends: [RunMachine.Outcome] = []
        var mayRead = false
        /// The processes belong to another user.
        var refusesSignals = false
        var hasHungUp = false
        var violation: String?
        /// The first reason of the daemon to stop it.
        var reason: RunEnding?

        var moves: [Move] { Move.allCases.filter(isPossible) }

        private func isPossible(_ move: Move) -> Bool {
            switch move {
            case .spawn, .failSpawn: machine.state == .starting
            case .exit, .crash, .leaveOthers: process == .leader
            case .othersEnd: process == .others
            case .readOutput: mayRead
            case .timeout: timers[.timeout] != nil
            case .stopStep: timers[.stopStep] != nil
            case .kill: timers[.kill] != nil
            case .stop, .shutDown, .killNow: machine.state != .starting
            case .forbid: process == .leader && !refusesSignals
            }
        }

        mutating func make(_ move: Move) {
            now = now + .milliseconds(700)
            switch move {
            case .spawn:
                process = .leader
                tell(.spawned)
            case .failSpawn: tell(.spawnFailed)
            case .exit: end(.status(0))
            case .crash: end(.signal(11))
            case .leaveOthers:
                process = .others
                tell(.exited(.status(1)))
            case .othersEnd:
                process = .gone
                tell(.treeGone)
            case .readOutput:
                mayRead = false
                tell(.outputRead)
            case .timeout: fire(.timeout, .timedOut)
            case .stopStep: fire(.stopStep, nil)
            case .kill: fire(.kill, nil)
            case .stop: ask(.stopRequested, .stopped)
            case .shutDown: ask(.shutdownRequested(killAt: now + .seconds(3)), .shutdown)
            case .killNow: ask(.killRequested, .shutdown)
            case .forbid: refusesSignals = true
            }
            check()
        }

        private mutating func end(_ exit: Exit) {
            process = .gone
            tell(.exited(exit))
            tell(.treeGone)
        }

        private mutating func fire(_ timer: RunTimer, _ ending: RunEnding?) {
            now = max(now, timers.removeValue(forKey: timer)!)
            ask(.timerFired(timer), ending)
        }

        private mutating func ask(_ event: RunMachine.Event, _ ending: RunEnding?) {
            if process == .leader, reason == nil { reason = ending }
            tell(event)
        }

        private mutating func tell(_ event: RunMachine.Event) {
            for effect in machine.apply(event, at: now) {
                switch effect {
                case .arm(let timer, let instant): timers[timer] = instant
                case .disarm(let timer): timers[timer] = nil
                case .signal(let signal):
                    expect(process != .none, "a signal without a process")
                    if refusesSignals { tell(.signalRefused(signal)) }
                case .hangUp:
                    expect(process != .none && process != .gone && !hasHungUp, "a terminal is closed twice, or late")
                    hasHungUp = true
                case .reportOverdue: expect(hasHungUp, "an overdue stop with an open terminal")
                case .readRest: mayRead = true
                case .end(let outcome): ends.append(outcome)
                }
            }
        }

        private mutating func expect(_ isTrue: Bool, _ promise: String) {
            if !isTrue, violation == nil { violation = promise }
        }

        private mutating func check() {
            expect(machine.hasEnded == (ends.count == 1) && ends.count <= 1, "an ended run has one result")
            let isOver = machine.isDraining || machine.hasEnded
            expect(!isOver || timers.isEmpty, "a timer is armed although no process is left")
            expect(isOver || machine.state == .starting || !timers.isEmpty, "nothing ends the run")
            expect(timers[.output] == nil, "the machine arms the timer of the output")
            let runs = process == .leader || process == .others
            expect(!isOver || !runs, "the run is over although a process runs")
            if let outcome = ends.first {
                if let reason { expect(outcome.ending == reason, "another reason than the first one") }
                expect((outcome.exit == nil) == (outcome.ending == .spawnFailed), "an exit without a process")
            }
        }

        /// Whatever happened, the run ends when time goes on and KILL works.
        mutating func finish() {
            for _ in 0..<40 where !machine.hasEnded {
                if mayRead {
                    make(.readOutput)
                } else if machine.state == .starting {
                    make(.spawn)
                } else if let timer = timers.min(by: { $0.value < $1.value })?.key {
                    make(timer == .timeout ? .timeout : timer == .kill ? .kill : .stopStep)
                    if process == .leader, case .stopping(let stop) = machine.state, stop.step > 0 { make(.crash) }
                    if process == .others, case .stopping(let stop) = machine.state, stop.step > 0 { make(.othersEnd) }
                }
            }
            expect(machine.hasEnded, "the run never ends")
        }
    }

    private func walk(_ here: Walk, depth: Int, _ count: inout Int) -> (moves: [Walk.Move], String)? {
        if let violation = here.violation { return ([], violation) }
        guard depth > 0, !here.moves.isEmpty else {
            count += 1
            var end = here
            end.finish()
            return end.violation.map { ([], $0) }
        }
        for move in here.moves {
            var next = here
            next.make(move)
            if let (moves, violation) = walk(next, depth: depth - 1, &count) { return ([move] + moves, violation) }
        }
        return nil
    }

    @Test("no sequence of seven events breaks a promise")
    func everyWay() {
        var count = 0
        #expect(walk(Walk(), depth: 7, &count) == nil)
        #expect(count > 10_000)
    }
}
