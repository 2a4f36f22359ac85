/// The process of one generation: its command and port, its start, and what its end leaves.
extension Supervisor {
    func spawn(_ backend: SupervisedBackend) -> BackendMachine.Event {
        backend.tail.beginGeneration()
        do throws(SystemError) {
            // At the first attempt another process may have held the address.
            try openSocket(of: backend)
            try pickPort(for: backend)
            let notify = backend.machine.policy.readiness == .notify ? try kernel.openNotifySocket() : nil
            let command = command(of: backend, notifySocket: notify?.name)
            let spawned: SpawnedProcess
            do throws(SystemError) { spawned = try kernel.spawn(command, inheriting: backend.listener) } catch {
                if let notify { kernel.close(notify.descriptor) }
                throw error
            }
            let (index, generation) = (backend.id.index, backend.machine.generation.number)
            backend.child = .init(
                process: spawned.process, spawnedAt: kernel.now(), output: .init(descriptor: spawned.output),
                errors: .init(descriptor: spawned.errors), notifySocket: notify?.descriptor)
            watchOutput(spawned.output, as: Token(SupervisorToken.output, index: index, generation: generation))
            watchOutput(spawned.errors, as: Token(SupervisorToken.errors, index: index, generation: generation))
            if let notify {
                watchOutput(
                    notify.descriptor, as: Token(SupervisorToken.notification, index: index, generation: generation))
            }
            backend.history.processStarted(at: kernel.now())
            trees.began(spawned.process, of: .backend(backend.id), stopPlan: backend.machine.policy.stopPlan)
            return .spawned
        } catch {
            return .spawnFailed(error)
        }
    }

    /// Returns the command of this start with its environment.
    func command(of backend: SupervisedBackend, notifySocket: String?) -> LaunchCommand {
        var command = backend.launchCommand
        if !command.environment.contains(where: { $0.name == "PWD" }),
            let directory = kernel.absoluteDirectory(of: command)
        {
            command.environment.append(.init(name: "PWD", value: directory))
        }
        if let notifySocket { command.environment.append(.init(name: "NOTIFY_SOCKET", value: notifySocket)) }
        if backend.listener != nil {
            command.environment.append(.init(name: "LISTEN_FDS", value: "1"))
            command.environment.append(.init(name: "LISTEN_FDNAMES", value: backend.name))
        }
        return command.over(environment)
    }

    /// Picks a free port that no other backend was given. A process that takes the port first is a foreign listener,
    /// and the next start picks another port (trap S1).
    func pickPort(for backend: SupervisedBackend) throws(SystemError) {
        guard let target = backend.target, backend.picksPort, backend.listener == nil else { return }
        for _ in 0..<Limits.portChoices {
            backend.address = try kernel.freeAddress(at: target)
            let isMeantForAnother = inOrder.contains { other in
                other !== backend && other.child != nil && other.address == backend.address
            }
            if !isMeantForAnother { return }
        }
    }

    /// Unwatched output blocks the child when the pipe is full. The start continues nevertheless.
    func watchOutput(_ descriptor: Descriptor, as token: Token) {
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: token)
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    func end(_ generation: Generation, of backend: SupervisedBackend) {
        _ = probe(backend, .stop)
        closeOutput(of: backend)
        backend.history.memory.processEnded(at: kernel.now())
        // Drop leases that were never returned.
        backend.gate.closeByForce()
        if let child = backend.child { trees.ended(child.process) }
        if let socket = backend.child?.notifySocket { kernel.close(socket) }
        // Drain the accept queue so that the next generation gets no stale connections.
        if let listener = backend.listener { kernel.drainAcceptQueue(of: listener, limit: Limits.queueLeftovers) }
        backend.child = nil
        if backend.isRemoved { closeSocket(of: backend) }
        deferredEvents.append(.roomMade)
        replies.post(.generationEnded(backend.id, generation))
    }
}
