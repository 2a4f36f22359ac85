/// The responses to requests about runs.
enum RunReply {
    /// The run has begun. `signedStream` is for subscriptions by a signed name; nil: the cable has no secret.
    static func started(_ id: RunID, stream: [UInt8], signedStream: String?) -> LocalReply {
        var members = [("id", JSONText.quoted(id.text)), ("stream", quoted(stream))]
        if let signedStream { members.append(("signed_stream_name", JSONText.quoted(signedStream))) }
        return .json(202, "The run has started.", members)
    }

    static func invalid(_ error: RunRequestError) -> LocalReply { LocalReply(status: 400, body: error.sentence) }

    /// As many runs as are allowed are in progress.
    static func busy(_ id: RunID) -> LocalReply {
        .json(409, "The command is running already.", [("id", JSONText.quoted(id.text))])
    }

    static let unknownCommand = LocalReply(status: 404, body: "The command is not configured any more.")
    static let unknownRun = LocalReply(status: 404, body: "No such run is known.")
    static let shuttingDown = LocalReply(
        status: 503, body: "ondemandd is shutting down.", retryAfterSeconds: Limits.runRetry.secondsRoundedUp)

    /// `status` 202: it is being stopped.
    static func state(_ run: Snapshot.Run, of command: String, status: Int = 200) -> LocalReply {
        var members = [
            ("id", JSONText.quoted(run.id)), ("command", JSONText.quoted(command)),
            ("state", JSONText.quoted(run.state.rawValue)),
        ]
        switch run.exit {
        case .status(let code): members.append(("exit_status", "\(code)"))
        case .signal(let number): members.append(("signal", "\(number)"))
        case nil: break
        }
        if let ending = run.ending { members.append(("ending", JSONText.quoted(ending.rawValue))) }
        members.append(("started_at", "\(run.startedAt)"))
        members.append(("duration_seconds", seconds(run.duration)))
        members.append(("output_bytes", "\(run.outputBytes)"))
        return .json(status, "The state of the run.", members)
    }

    private static func quoted(_ text: [UInt8]) -> String { JSONText.quoted(String(decoding: text, as: UTF8.self)) }

    /// With milliseconds.
    private static func seconds(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.wholeMilliseconds)
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}

extension LocalReply {
    fileprivate static func json(_ status: Int, _ sentence: String, _ members: [(String, String)]) -> LocalReply {
        var reply = LocalReply(status: status, body: sentence)
        reply.jsonText = "{\(members.map { "\"\($0)\":\($1)" }.joined(separator: ","))}"
        return reply
    }
}

/// The line in front of the end of a run's output, where the end needs an explanation.
enum RunEndLine {
    static func text(_ outcome: RunMachine.Outcome, timeout: Duration) -> String? {
        sentence(outcome, timeout).map { "\r\n\($0).\r\n" }
    }

    /// Subscribers may be any users of the application: a failed start is explained in the log only.
    private static func sentence(_ outcome: RunMachine.Outcome, _ timeout: Duration) -> String? {
        switch outcome.ending {
        case .timedOut: "Timed out after \(timeout.shortText)"
        case .stopped: "Stopped"
        case .shutdown: "Stopped, because the daemon shuts down"
        case .spawnFailed: "Could not be started"
        case .killed, .exited:
            switch outcome.exit {
            case .status(0), nil: nil
            case .status(let code): "Exited with status \(code)"
            case .signal(let number): "Ended by signal \(number)"
            }
        }
    }
}
