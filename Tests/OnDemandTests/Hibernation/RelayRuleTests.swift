import Testing

@testable import OnDemand

/// The rules of hibernation that the machine of one client decides, by number. The others are about sockets, time or
/// several clients: R10 to R12, R14, R22 and R26 belong to the drivers.
struct RelayRuleTests {
    typealias Bench = RelayBench
    typealias Effect = RelayMachine.Effect

    // MARK: Sleep

    @Test("R1: pings and repeated subscriptions pass nothing on, data does")
    func r1() {
        var bench = Bench.attached()
        #expect(bench.tell(Bench.ping) == [.pinged])
        #expect(bench.tell(Bench.subscribe(Bench.chat)) == [.confirm(Bench.bytes(Bench.chat))])
        let data = Bench.data(Bench.chat)
        #expect(bench.tell(.message(data)) == [.deliver(data)])
    }

    @Test("R2: a client holds a lease as long as a new connection would not restore everything")
    func r2Leases() {
        var bench = Bench(isWelcomed: false)
        #expect(bench.tell(Bench.welcome) == [.deliver(Bench.typed("welcome")), .returnLease])
        #expect(bench.tell(Bench.subscribe(Bench.game)) == [.send(Bench.command("subscribe", Bench.game)), .takeLease])
        #expect(bench.tell(Bench.confirm(Bench.game)) == [.deliver(Bench.confirmation(Bench.game))])
        #expect(bench.tell(Bench.unsubscribe(Bench.game)).last == .returnLease)
        // Outstanding subscriptions count, and confirmed ones of listed channels do not.
        #expect(bench.tell(Bench.subscribe(Bench.board)).last == .takeLease)
        #expect(bench.tell(Bench.confirm(Bench.board)).last == .returnLease)
        #expect(bench.tell([Bench.subscribe(Bench.chat), Bench.confirm(Bench.chat)]).last == .returnLease)
        // An action of a channel without "actions": "stateless".
        #expect(bench.tell(Bench.perform(Bench.chat)) == [.send(Bench.performed(Bench.chat))])
        #expect(bench.tell(Bench.perform(Bench.board)).last == .takeLease)
    }

    @Test("R2: a client that is opaque holds a lease: binary data, an unreadable message, a session identifier")
    func r2Opaque() {
        for event in [
            RelayMachine.Event.clientSentBinary([1]), .upstreamSentBinary([1]), .clientCommand(Bench.bytes("{")),
            .clientCommand(Bench.bytes(#"{"command":"join","identifier":"a"}"#)),
            .message(Bench.typed("welcome", #","sid":"x""#)), .message(Bench.typed("welcome", #","extensions":{}"#)),
        ] {
            var bench = Bench.attached()
            #expect(bench.tell(event).last == .takeLease, "\(event)")
            #expect(bench.tell(.backendStops(canListen: true)) == [.abortUpstream, .disconnect(.stateLost)])
        }
    }

    @Test("R2: a client that becomes opaque on the way is told to reconnect")
    func r2OpaqueLater() {
        for var bench in [Bench.detaching(), .waking(), .replaying()] {
            bench.tell(.upstreamSentBinary([1]))
            #expect(bench.tell(.upstreamEnded(hasGap: false)) == [.abortUpstream, .disconnect(.stateLost)])
        }
    }

    @Test("R2: a client with state is told to reconnect when the backend is stopped")
    func r2Stop() {
        for identifiers in [[Bench.game], [Bench.chat, Bench.game]] {
            var bench = Bench.attached(identifiers)
            #expect(bench.tell(.backendStops(canListen: true)) == [.abortUpstream, .disconnect(.stateLost)])
        }
        var acted = Bench.attached([Bench.board])
        acted.tell(Bench.perform(Bench.board))
        #expect(acted.tell(.backendStops(canListen: true)) == [.abortUpstream, .disconnect(.stateLost)])
        var outstanding = Bench()
        outstanding.tell(Bench.subscribe(Bench.chat))
        #expect(outstanding.tell(.backendStops(canListen: true)) == [.abortUpstream, .disconnect(.stateLost)])
    }

    @Test("R3: the daemon listens from the confirmation on, and delivers before the upstream is closed")
    func r3() {
        var bench = Bench()
        bench.tell(Bench.subscribe(Bench.chat))
        let confirmed = bench.tell(Bench.confirm(Bench.chat))
        #expect(confirmed == [.deliver(Bench.confirmation(Bench.chat)), .listen([Bench.chatStream]), .returnLease])
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        #expect(bench.tell(.backendStops(canListen: true)) == [begin, .closeUpstream])
        var deaf = Bench.attached()
        #expect(deaf.tell(.backendStops(canListen: false)) == [.abortUpstream, .disconnect(.notListening)])
        // There is nothing to hear.
        var silent = Bench.attached([Bench.board])
        #expect(silent.tell(.backendStops(canListen: false)) == [.closeUpstream])
    }

    @Test("R4: the end of the upstream is awaited, and the backend's messages until then are delivered")
    func r4() {
        var bench = Bench.detaching()
        let data = Bench.data(Bench.chat)
        #expect(bench.tell(.message(data)) == [.deliver(data)])
        #expect(bench.tell(.upstreamEnded(hasGap: false)) == [])
        #expect(bench.state == .hibernating)
    }

    @Test("R5: a command during the stop is not sent over the closing upstream, and wakes the backend after it")
    func r5() {
        var bench = Bench.detaching()
        #expect(bench.tell(Bench.perform(Bench.chat)) == [])
        #expect(bench.tell(.upstreamEnded(hasGap: false)) == [.acquire(.command)])
        bench.tell(Bench.welcome)
        bench.tell(Bench.confirm(Bench.chat))
        #expect(bench.tell(.commandsMayLeave).first == .send(Bench.performed(Bench.chat)))
        var other = Bench.detaching()
        other.tell(Bench.subscribe(Bench.otherChat))
        #expect(other.tell(.upstreamEnded(hasGap: false)) == [.acquire(.subscription)])
    }

    @Test("R5, R7: a command during the stop that needs no backend wakes none")
    func r5WithoutNeed() {
        var bench = Bench.detaching()
        #expect(bench.tell(Bench.subscribe(Bench.chat)) == [.confirm(Bench.bytes(Bench.chat))])
        bench.tell([Bench.unsubscribe(Bench.chat), Bench.perform(Bench.game), .clientCommand([0x7b])])
        let effects = bench.tell(.upstreamEnded(hasGap: false))
        #expect(effects.contains(.stopListening([Bench.chatStream])) && bench.state == .hibernating)
        #expect(bench.machine.journal.isEmpty)
    }

    // MARK: While asleep

    @Test("R6: the backend's pings are never the client's, in no state")
    func r6() {
        for var bench in [Bench.attached(), .waking(), .replaying(), .detaching()] {
            #expect(bench.tell(Bench.ping) == [.pinged])
        }
        for var bench in [Bench.hibernating(), .over()] { #expect(bench.tell(Bench.ping) == []) }
    }

    @Test("R7: an unsubscription while the backend sleeps wakes it not, and is not replayed")
    func r7() {
        var bench = Bench.hibernating([Bench.chat, Bench.board])
        let ended = bench.tell(Bench.unsubscribe(Bench.chat))
        #expect(ended == [.dropDelivery(identifier: Bench.bytes(Bench.chat)), .stopListening([Bench.chatStream])])
        #expect(bench.state == .hibernating)
        bench.tell(Bench.perform(Bench.board))
        #expect(bench.tell(Bench.welcome) == [.send(Bench.command("subscribe", Bench.board))])
    }

    @Test("R8: a repeated subscription is confirmed by the daemon in each state, also in another notation")
    func r8() {
        let benches = [
            Bench.attached(), .hibernating(), .waking(), .replaying(), .detaching(),
        ]
        let other = Bench.chat.replacing("ChatChannel", with: #"\u0043hatChannel"#)
        for var bench in benches {
            let state = bench.state
            #expect(bench.tell(Bench.subscribe(Bench.chat)) == [.confirm(Bench.bytes(Bench.chat))])
            #expect(bench.tell(Bench.subscribe(other)) == [.confirm(Bench.bytes(other))])
            #expect(bench.state == state)
        }
    }

    @Test("R8: a repeated subscription that is pending or queued is not confirmed early, and not sent again")
    func r8Pending() {
        var bench = Bench()
        bench.tell(Bench.subscribe(Bench.chat))
        #expect(bench.tell(Bench.subscribe(Bench.chat)) == [.count(.ignoredCommand)])
        var waking = Bench.waking()
        #expect(waking.tell(Bench.subscribe(Bench.otherChat)) == [])
        #expect(waking.tell(Bench.subscribe(Bench.otherChat)) == [.count(.ignoredCommand)])
        #expect(waking.tell([Bench.unsubscribe(Bench.chat), Bench.subscribe(Bench.chat)]) == [])
        #expect(waking.tell(Bench.subscribe(Bench.chat)) == [.count(.ignoredCommand)])
    }

    @Test("R9: a new subscription or an action wakes the backend; what nothing would answer is counted")
    func r9() {
        var bench = Bench.hibernating()
        for text in ["{", "[]", #"{"command":"join","identifier":"a"}"#, #"{"command":"subscribe"}"#] {
            #expect(bench.tell(.clientCommand(Bench.bytes(text))) == [.count(.ignoredCommand)])
        }
        #expect(bench.tell(Bench.perform(Bench.game)) == [.count(.ignoredCommand)])
        #expect(bench.tell(Bench.unsubscribe(Bench.game)) == [.count(.ignoredCommand)])
        #expect(bench.state == .hibernating)
        var action = bench
        #expect(action.tell(Bench.perform(Bench.chat)) == [.acquire(.command)])
        #expect(bench.tell(Bench.subscribe(Bench.game)) == [.acquire(.subscription)])
    }

    @Test("R9: a subscription over the limit is rejected, asleep and awake")
    func r9Limit() {
        let rules = Bench.rules { $0.maximumSubscriptions = 1 }
        for var bench in [Bench.hibernating([Bench.chat], rules), .attached([Bench.chat], rules)] {
            #expect(bench.tell(Bench.subscribe(Bench.board)) == [.reject(Bench.bytes(Bench.board))])
        }
    }

    // MARK: Wake and replay

    @Test("R13: further commands of a waking client begin no second attempt")
    func r13() {
        var bench = Bench.waking()
        #expect(bench.tell([Bench.perform(Bench.chat), Bench.subscribe(Bench.game), .backendAwake]) == [])
        #expect(Bench.hibernating().machine.needsRestoring(Bench.rules))
        var restored = Bench.hibernating()
        #expect(restored.tell(.backendAwake) == [.acquire(.restore)])
    }

    @Test("R13: a client that misses nothing of an awake backend is not connected to it")
    func r13Local() {
        var bench = Bench(isAttached: false, Bench.local)
        #expect(bench.tell(.backendAwake) == [])
        bench.tell([Bench.subscribe(Bench.chat), Bench.welcome, .commandsMayLeave, Bench.confirm(Bench.chat)])
        bench.tell([.backendStops(canListen: true), .upstreamEnded(hasGap: false)])
        #expect(bench.tell(.backendAwake) == [.acquire(.restore)])
    }

    @Test("R15: nothing is sent before the welcome, which is not for the client")
    func r15() {
        var bench = Bench.hibernating()
        #expect(bench.tell(Bench.perform(Bench.chat)) == [.acquire(.command)])
        #expect(bench.tell(.message(Bench.data(Bench.chat))) == [.deliver(Bench.data(Bench.chat))])
        #expect(bench.tell(Bench.welcome) == [.send(Bench.command("subscribe", Bench.chat))])
    }

    @Test("R15: a backend that gives out a session identifier is no longer the one that accepted the client")
    func r15Changed() {
        var bench = Bench.waking()
        let welcome = RelayMachine.Event.message(Bench.typed("welcome", #","sid":"x""#))
        #expect(bench.tell(welcome) == [.abortUpstream, .disconnect(.notAccepted)])
        // The first connection of a client is like itself; it is only never repeated.
        var first = Bench(isAttached: false, Bench.local)
        first.tell([Bench.subscribe(Bench.chat), welcome])
        #expect(first.tell(.commandsMayLeave) == [.send(Bench.command("subscribe", Bench.chat))])
        #expect(!first.machine.isRestorable(Bench.local))
    }

    @Test("R16: subscriptions are replayed in order, as the client wrote them, and each confirmation is swallowed once")
    func r16() {
        let rules = Bench.rules { $0.hasSource = false }
        var bench = Bench.hibernating([Bench.board, Bench.chat], rules)
        bench.tell([Bench.perform(Bench.chat), Bench.subscribe(Bench.game)])
        let replayed = bench.tell(Bench.welcome)
        #expect(
            replayed == [
                .send(Bench.command("subscribe", Bench.board)), .send(Bench.command("subscribe", Bench.chat)),
            ])
        // Servers escape more than clients.
        let escaped = Bench.chat.replacing("ChatChannel", with: #"\u0043hatChannel"#)
        #expect(bench.tell(Bench.confirm(escaped)) == [.count(.replayed)])
        #expect(bench.tell(Bench.confirm(Bench.board)) == [.count(.replayed)])
        #expect(
            bench.tell(.commandsMayLeave) == [
                .send(Bench.performed(Bench.chat)), .send(Bench.command("subscribe", Bench.game)),
            ])
        // The client waits for this one.
        #expect(bench.tell(Bench.confirm(Bench.game)) == [.deliver(Bench.confirmation(Bench.game))])
    }

    @Test("R17: data before the confirmation of a replay is delivered")
    func r17() {
        var bench = Bench.replaying()
        let data = Bench.data(Bench.chat, "state")
        #expect(bench.tell(.message(data)) == [.deliver(data)])
    }

    @Test("R18: a rejected replay ends in a reconnect")
    func r18() {
        var bench = Bench.replaying()
        #expect(bench.tell(Bench.reject(Bench.chat)) == [.abortUpstream, .disconnect(.replayRejected)])
    }

    @Test("R19: the backend's refusal of a known client ends in a reconnect, whose answer is the true one")
    func r19() {
        for reason in ["unauthorized", "server_restart", "anything"] {
            for var bench in [Bench.waking(), .replaying()] {
                let text = Bench.disconnection(reason, reconnect: false)
                #expect(bench.tell(.message(text)) == [.abortUpstream, .disconnect(.notAccepted)])
            }
        }
        var refused = Bench.waking()
        #expect(refused.tell(.upstreamRefused(isFinal: false)).last == .acquireAgain)
        #expect(refused.tell(.upstreamRefused(isFinal: true)) == [.abortUpstream, .disconnect(.notAccepted)])
    }

    @Test("R19: a disconnection by the application is passed on verbatim, and nothing contradicts it")
    func r19Remote() {
        let text = Bench.disconnection("remote", reconnect: false)
        for var bench in [Bench.waking(), .replaying(), .detaching()] {
            #expect(bench.tell(.message(text)) == [.deliver(text), .abortUpstream, .endClient])
        }
        var attached = Bench.attached()
        #expect(attached.tell(.message(text)) == [.deliver(text)])
        #expect(attached.tell(.upstreamEnded(hasGap: false)) == [.endClient])
    }

    @Test("R19, connect local: what needed a backend that does not accept the client is rejected, and the client stays")
    func r19Local() {
        for event in [
            RelayMachine.Event.upstreamRefused(isFinal: true), .wakeFailed(isAwake: false),
            .message(Bench.disconnection("unauthorized", reconnect: false)),
        ] {
            var bench = Bench(isAttached: false, Bench.local)
            bench.tell([Bench.subscribe(Bench.chat), Bench.perform(Bench.chat), Bench.subscribe(Bench.game)])
            #expect(
                bench.tell(event) == [
                    .abortUpstream, .reject(Bench.bytes(Bench.chat)), .count(.ignoredCommand),
                    .reject(Bench.bytes(Bench.game)),
                ], "\(event)")
            #expect(bench.state == .hibernating)
        }
    }

    @Test("R20: queued commands are sent in order, after all replays are confirmed, and new ones queue behind them")
    func r20() {
        var bench = Bench.waking([Bench.chat, Bench.board])
        bench.tell([Bench.perform(Bench.chat, "2"), Bench.welcome, Bench.perform(Bench.board, "3")])
        bench.tell(Bench.confirm(Bench.chat))
        #expect(bench.tell(.commandsMayLeave) == [])
        bench.tell([Bench.confirm(Bench.board), Bench.perform(Bench.chat, "4")])
        #expect(
            bench.tell(.commandsMayLeave) == [
                .send(Bench.performed(Bench.chat, "1")), .send(Bench.performed(Bench.chat, "2")),
                .send(Bench.performed(Bench.board, "3")), .send(Bench.performed(Bench.chat, "4")),
            ])
    }

    @Test("R20: more commands than the queue takes end in a reconnect, by number and by size")
    func r20Overflow() {
        var many = Bench.waking()
        for number in 1..<Limits.queuedClientCommands {
            #expect(many.tell(Bench.perform(Bench.chat, "\(number)")) == [])
        }
        #expect(many.tell(Bench.perform(Bench.chat)) == [.abortUpstream, .disconnect(.queueFull)])
        let long = String(repeating: "x", count: Limits.queuedClientCommandBytes)
        var large = Bench.hibernating()
        #expect(large.tell(Bench.perform(Bench.chat, long)) == [.disconnect(.queueFull)])
    }

    @Test("R20: no start in time ends in a reconnect if a command waits; else the client hibernates on")
    func r20Time() {
        var waiting = Bench.waking()
        #expect(waiting.tell(.wakeFailed(isAwake: false)) == [.abortUpstream, .disconnect(.wakeFailed)])
        var idle = Bench.hibernating()
        idle.tell(.backendAwake)
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        #expect(idle.tell(.wakeFailed(isAwake: false)) == [.abortUpstream, begin])
        #expect(idle.state == .hibernating)
        // An awake backend may broadcast what the client would miss.
        idle.tell(.backendAwake)
        #expect(idle.tell(.wakeFailed(isAwake: true)) == [.abortUpstream, .disconnect(.wakeFailed)])
    }

    @Test("R21: an action without a sign of its effect is not repeated: its client is told to reconnect")
    func r21() {
        var bench = Bench.attached()
        bench.tell(Bench.perform(Bench.chat))
        var answered = bench
        #expect(bench.tell(.upstreamEnded(hasGap: false)) == [.abortUpstream, .disconnect(.commandInFlight)])
        answered.tell(Bench.ping)
        var pinged = answered
        #expect(pinged.tell(.upstreamEnded(hasGap: false)).last == .disconnect(.commandInFlight))
        answered.tell(.message(Bench.data(Bench.chat)))
        answered.tell(.upstreamEnded(hasGap: false))
        #expect(answered.state == .hibernating)
    }

    @Test("R21: a command that was queued during a failed replay is sent once, over the next upstream")
    func r21Replay() {
        var bench = Bench.replaying()
        #expect(bench.tell(.upstreamEnded(hasGap: false)).last == .acquireAgain)
        bench.tell([Bench.welcome, Bench.confirm(Bench.chat)])
        #expect(bench.tell(.commandsMayLeave).first == .send(Bench.performed(Bench.chat)))
        #expect(bench.tell(.upstreamEnded(hasGap: false)).last == .disconnect(.commandInFlight))
    }

    @Test("R21: what was on its way when the upstream ended is lost, and told")
    func r21Cut() {
        for var bench in [Bench.attached(), .detaching()] {
            #expect(bench.tell(.upstreamEnded(hasGap: false, isCut: true)).last == .disconnect(.commandInFlight))
        }
        var waking = Bench.waking()
        #expect(waking.tell(.upstreamEnded(hasGap: false, isCut: true)) == [.acquireAgain])
    }

    @Test("a reload that says something else of a channel says it of its subscriptions")
    func reload() {
        var other = Bench.rules
        other.channels = BackendChannels()
        var effects: [RelayMachine.Effect] = []
        var attached = Bench.attached().machine
        attached.apply(.rulesChanged, other, &effects)
        #expect(!attached.isRestorable(other))
        #expect(effects.contains(.stopListening([Bench.chatStream])) && effects.last == .takeLease)
        for bench in [Bench.hibernating(), .waking(), .replaying(), .detaching()] {
            var (machine, effects) = (bench.machine, [RelayMachine.Effect]())
            machine.apply(.rulesChanged, other, &effects)
            #expect(effects.last == .disconnect(.stateLost))
        }
    }

    @Test("a reload that begins hibernation listens for present subscriptions, and one that ends it stops")
    func reloadOfHibernation() {
        let awake = Bench.rules { $0.hibernates = false }
        // The name is `chat-1`, the digest any: the backend has confirmed it.
        let signed = "ImNoYXQtMSI=--" + String(repeating: "0", count: 64)
        let turbo = #""{\"channel\":\"Turbo::StreamsChannel\",\"signed_stream_name\":\"\#(signed)\"}""#
        var machine = Bench.attached([turbo], awake).machine
        #expect(machine.streams == [Bench.chatStream] && !machine.journal[0].isListened)
        var effects: [RelayMachine.Effect] = []
        machine.apply(.rulesChanged, Bench.rules, &effects)
        #expect(effects == [.listen([Bench.chatStream]), .returnLease])
        effects = []
        machine.apply(.rulesChanged, Bench.rules, &effects)
        #expect(effects == [])
        machine.apply(.rulesChanged, awake, &effects)
        #expect(
            effects == [.dropDelivery(identifier: Bench.bytes(turbo)), .stopListening([Bench.chatStream]), .takeLease])
        var hibernating = Bench.hibernating([turbo]).machine
        effects = []
        hibernating.apply(.rulesChanged, awake, &effects)
        #expect(effects == [.disconnect(.stateLost)])
    }

    // MARK: Broadcasts

    @Test("R23: the daemon delivers until the replay is confirmed")
    func r23() {
        var bench = Bench.replaying()
        #expect(
            bench.tell(Bench.confirm(Bench.chat)) == [
                .count(.replayed), .endDelivery(identifier: Bench.bytes(Bench.chat)),
            ])
        #expect(bench.machine.isServed(Bench.bytes(Bench.chat)))
    }

    @Test("R23: it delivers again when the upstream is lost before the client is attached")
    func r23Again() {
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        for event in [RelayMachine.Event.upstreamEnded(hasGap: false), .backendStops(canListen: true)] {
            var bench = Bench.replaying([Bench.chat, Bench.board])
            bench.tell(Bench.confirm(Bench.chat))
            #expect(bench.tell(event).contains(begin), "\(event)")
            #expect(!bench.machine.isServed(Bench.bytes(Bench.chat)))
        }
    }

    @Test("R23, without Redis: what programs post to the cable is delivered by it all the time")
    func r23WithoutSource() {
        let rules = Bench.rules { $0.hasSource = false }
        var bench = Bench(rules)
        bench.tell(Bench.subscribe(Bench.chat))
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        #expect(bench.tell(Bench.confirm(Bench.chat)).contains(begin))
        #expect(bench.tell(.backendStops(canListen: true)) == [.closeUpstream])
        bench.tell([.upstreamEnded(hasGap: false), .backendAwake, Bench.welcome])
        #expect(bench.tell(Bench.confirm(Bench.chat)) == [.count(.replayed)])
    }

    @Test("R24: with Redis, a client whose streams are not known does not hibernate")
    func r24() {
        var rules = Bench.rules { _ in }
        rules.channels.listed.append(ReplayableChannel(name: Array("GameChannel".utf8)))
        #expect(!Bench.attached([Bench.game], rules).machine.isRestorable(rules))
        rules.hasSource = false
        #expect(Bench.attached([Bench.game], rules).machine.isRestorable(rules))
    }

    // MARK: Crash and restart

    @Test("R25, R27: a crash that may have cost a message ends in a reconnect")
    func r25() {
        var bench = Bench.attached()
        #expect(bench.tell(.upstreamEnded(hasGap: true)) == [.abortUpstream, .disconnect(.notListening)])
        var silent = Bench.attached([Bench.board])
        silent.tell(.upstreamEnded(hasGap: true))
        #expect(silent.state == .hibernating)
    }

    @Test("R25, R27: so does one during the replay, once the backend delivers")
    func r25Replay() {
        var before = Bench.replaying([Bench.chat, Bench.board])
        var after = before
        #expect(before.tell(.upstreamEnded(hasGap: true)).last == .acquireAgain)
        after.tell(Bench.confirm(Bench.chat))
        #expect(after.tell(.upstreamEnded(hasGap: true)) == [.abortUpstream, .disconnect(.notListening)])
    }

    @Test("R27: a crash is a sleep for a client without state, and a reconnect for one with state")
    func r27() {
        var clean = Bench.attached()
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        #expect(clean.tell(.upstreamEnded(hasGap: false)) == [begin])
        #expect(clean.state == .hibernating)
        let awake = Bench.rules { $0.hibernates = false }
        for var tainted in [Bench.attached([Bench.game]), .attached([Bench.chat], awake)] {
            #expect(tainted.tell(.upstreamEnded(hasGap: false)) == [.abortUpstream, .disconnect(.stateLost)])
        }
    }

    @Test("R27: a client that has had no welcome keeps the backend awake, and is told to reconnect")
    func r27Welcome() {
        for event in [
            RelayMachine.Event.upstreamEnded(hasGap: false), .backendStops(canListen: true),
        ] {
            var bench = Bench(isWelcomed: false)
            #expect(bench.tell(event) == [.abortUpstream, .disconnect(.stateLost)])
        }
        var bench = Bench(isWelcomed: false)
        bench.tell(Bench.welcome)
        bench.tell(.upstreamEnded(hasGap: false))
        #expect(bench.state == .hibernating)
    }

    @Test("R28: a planned restart is a sleep; a client that it would cost something is told by the backend")
    func r28() {
        let restart = Bench.disconnection("server_restart")
        var clean = Bench.attached()
        let begin = Effect.beginDelivery(identifier: Bench.bytes(Bench.chat), streams: [Bench.chatStream])
        #expect(clean.tell(.message(restart)) == [begin, .closeUpstream])
        // The closing connection gets no command any more.
        #expect(clean.tell(Bench.perform(Bench.chat)) == [])
        #expect(clean.tell(.upstreamEnded(hasGap: false)) == [.acquire(.command)])
        var acted = Bench.attached()
        acted.tell(Bench.perform(Bench.chat))
        #expect(acted.tell(.message(restart)) == [.deliver(restart)])
        #expect(acted.tell(.upstreamEnded(hasGap: false)) == [.endClient])
    }

    @Test("R28: a restart during the wake is one more attempt")
    func r28Waking() {
        for var bench in [Bench.waking(), .replaying()] {
            let effects = bench.tell(.backendStops(canListen: true))
            #expect(effects.first == .abortUpstream && effects.last == .acquireAgain)
            #expect(bench.machine.hasQueuedCommand)
        }
    }

    @Test("V2b: a notice is sent after a wake, before the commands, and never to a client that is new")
    func notice() {
        let rules = Bench.rules { $0.sendsNotice = true }
        var bench = Bench.replaying([Bench.chat], rules)
        bench.tell(Bench.confirm(Bench.chat))
        #expect(bench.tell(.commandsMayLeave).prefix(2) == [.notify, .send(Bench.performed(Bench.chat))])
        var first = Bench(isAttached: false, rules)
        first.tell([Bench.subscribe(Bench.chat), Bench.welcome])
        #expect(first.tell(.commandsMayLeave) == [.send(Bench.command("subscribe", Bench.chat))])
    }

    @Test("R31: replays, wakes and reconnects are counted under stable names")
    func r31() {
        let reasons = RelayMachine.Disconnection.allCases.map(\.rawValue)
        #expect(
            reasons == [
                "state_lost", "command_in_flight", "not_listening", "replay_rejected", "not_accepted", "queue_full",
                "wake_failed",
            ])
        #expect(RelayMachine.WakeTrigger.allCases.map(\.rawValue) == ["command", "subscription", "restore"])
    }

    @Test("after its end a client gets nothing, whatever happens")
    func over() {
        for event in [
            Bench.perform(Bench.game), Bench.subscribe(Bench.chat), .clientSentBinary([1]), .upstreamSentBinary([1]),
            Bench.ping, Bench.confirm(Bench.game), Bench.reject(Bench.game), .message(Bench.data(Bench.game)),
            .upstreamEnded(hasGap: true), .upstreamRefused(isFinal: true), .wakeFailed(isAwake: false), .backendAwake,
            .backendStops(canListen: false), .commandsMayLeave,
        ] {
            var bench = Bench.over()
            #expect(bench.tell(event) == [], "\(event)")
        }
    }
}
