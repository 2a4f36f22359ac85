/// Where messages come from: broadcasts that programs post, and Redis.
extension CableServer {
    // MARK: Broadcasts

    /// Queues the messages of a request and returns the publisher's response.
    func broadcast(_ body: [UInt8], to id: CableID) -> LocalReply {
        guard cables.indices.contains(id.index), cables[id.index] != nil else {
            return LocalReply(status: 404, body: "The cable is not configured any more.")
        }
        guard !cables[id.index]!.machine.table.isCongested else {
            cables[id.index]!.overloadedPublications += 1
            return LocalReply(
                status: 503, body: "The cable \"\(cables[id.index]!.name)\" has too many messages to deliver.",
                retryAfterSeconds: Limits.cableRetry.secondsRoundedUp)
        }
        do throws(BroadcastError) {
            apply(try BroadcastRequest.read(body.span), in: body, to: id, publishing: true)
        } catch {
            cables[id.index]!.refusedPublications += 1
            return LocalReply(status: 400, body: "Invalid broadcast: \(error.sentence).")
        }
        return LocalReply(status: cables[id.index]!.hasActionCable ? 201 : 200, body: "Accepted.")
    }

    /// With a source, a message that a program posted is published there and delivered when it comes back.
    func apply(_ request: BroadcastRequest, in body: [UInt8], to id: CableID, publishing: Bool) {
        switch request {
        case .publish(let broadcasts):
            cables[id.index]!.publications += UInt64(broadcasts.count)
            if publishing, let source = cables[id.index]!.source {
                for broadcast in broadcasts {
                    source.publish(StreamMessage(broadcast, in: body.span).message, to: broadcast.stream)
                }
                takeOutputs(of: id, source)
            } else {
                for broadcast in broadcasts {
                    cables[id.index]!.machine.broadcast(
                        StreamMessage(broadcast, in: body.span), to: broadcast.stream,
                        excluding: broadcast.excludedSocket)
                }
                cables[id.index]!.hasUndelivered = true
            }
        case .disconnect(let identifier, let reconnect):
            var writer = writer
            cables[id.index]!.machine.disconnect(identifier, reconnect: reconnect, at: kernel.now(), &writer)
        }
        settle(id)
    }

    // MARK: Redis

    func redisReady(_ token: Token, _ readiness: Readiness) {
        let id = CableID(index: token.index >> 1)
        guard cables.indices.contains(id.index), let source = cables[id.index]?.source else { return }
        source.ready(token, readiness)
        takeOutputs(of: id, source)
    }

    func redisTimerFired(_ key: TimerKey) {
        let id = CableID(index: key.index)
        guard cables.indices.contains(id.index), let source = cables[id.index]?.source else { return }
        source.timerFired(RedisTimer(key))
        takeOutputs(of: id, source)
    }

    func takeOutputs(of id: CableID, _ source: RedisConnection<K>) {
        // Performing an output may cause others: a client that is disconnected ends a stream. They come after those
        // that are there already; the end of an outage must not be overtaken by its beginning.
        guard cables[id.index]?.isTakingOutputs == false else { return }
        cables[id.index]!.isTakingOutputs = true
        defer { cables[id.index]?.isTakingOutputs = false }
        while cables[id.index]?.source === source {
            let outputs = source.takeOutputs()
            guard !outputs.isEmpty else { return }
            for output in outputs where cables[id.index]?.source === source { take(output, of: id) }
        }
    }

    func take(_ output: RedisConnection<K>.Output, of id: CableID) {
        var writer = writer
        let now = kernel.now()
        switch output {
        case .deliver(SubscriberMachine.remoteDisconnects, _): return remoteDisconnect(id, isGap: false)
        case .gap(SubscriberMachine.remoteDisconnects): return remoteDisconnect(id, isGap: true)
        case .fenced: return fenced(id, hasFailed: false)
        case .fenceFailed: return fenced(id, hasFailed: true)
        case .settled: return touch(id)
        case .deliver(let stream, let text):
            cables[id.index]!.lastDelivered = now
            guard let message = StreamMessage(published: text) else {
                cables[id.index]!.refusedPublications += 1
                break
            }
            cables[id.index]!.machine.broadcast(message, to: stream)
            cables[id.index]!.hasUndelivered = true
        case .request(let text): apply(text, to: id)
        case .confirmed(let stream): cables[id.index]!.machine.sourceConfirmed(stream, at: now, &writer)
        case .gap(let stream): cables[id.index]!.machine.gap(in: stream, at: now, &writer)
        case .away: cables[id.index]!.machine.sourceLost(at: now, &writer)
        case .returned: cables[id.index]!.machine.sourceReturned()
        }
        settle(id)
    }

    /// A message of AnyCable's broadcaster: every daemon gets it, so it is delivered here and published nowhere.
    func apply(_ text: [UInt8], to id: CableID) {
        do throws(BroadcastError) {
            apply(try BroadcastRequest.read(text.span), in: text, to: id, publishing: false)
        } catch {
            cables[id.index]!.refusedPublications += 1
        }
    }
}
