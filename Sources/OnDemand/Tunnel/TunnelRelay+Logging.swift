/// What the log says of tunnels that the daemon closes, within the line budget of their service.
extension TunnelRelay {
    /// Logs the protocol violation of a tunnel. The close handshake has already begun.
    func logViolation(of index: Int) {
        guard let protocolViolation = table.tunnels[index].protocolViolation else { return }
        table.tunnels[index].protocolViolation = nil
        let violation = protocolViolation.violation
        switch protocolViolation.side {
        case .client:
            let word = violation == .messageTooBig ? "message_too_big" : "protocol_violation"
            logAbort(of: index, word, violation.closeCode, detail: violation.reason)
        case .upstream:
            logAbort(of: index, violation.reason, .internalError, as: .upstreamError)
        }
    }

    /// Logs that the backend has ended without a close frame.
    func logBackendEnd(of index: Int) { logAbort(of: index, "backend_ended", .internalError) }

    private func logAbort(
        of index: Int, _ reason: String, _ code: CloseCode?, detail: String? = nil,
        as event: LogEvent = .connectionAborted
    ) {
        let tunnel = table.tunnels[index]
        guard let lease = tunnel.heldLease else { return }
        logAbort(event, lease.backend, clientName(of: tunnel, at: index), reason, code, detail: detail)
    }

    /// Logs the end of a tunnel unless its cause is already logged or ordinary.
    func logEnd(of tunnel: Tunnel, at index: Int, _ termination: TerminationReason) {
        switch termination {
        case .stalled, .noProgress: break
        case .backendGone, .upstreamReset:
            guard !tunnel.sentCloseForBackend, !tunnel.closeHandshake.isSent else { return }
        case .done, .clientClosed, .clientLeft, .clientReset, .idle, .closeHandshake, .shuttingDown: return
        }
        logAbort(
            .connectionAborted, tunnel.lease.backend, clientName(of: tunnel, at: index), termination.rawValue)
    }

    /// Logs a connection that the daemon closes: service, client and reason.
    func logAbort(
        _ event: LogEvent, _ id: BackendID, _ client: String, _ reason: String, _ code: CloseCode? = nil,
        detail: String? = nil
    ) {
        guard let leftOut = services[id.index].aborts.spend(at: kernel.now()) else { return }
        var fields = [
            LogField("service", services[id.index].name), LogField("client", client), LogField("reason", reason),
        ]
        if let code { fields.append(LogField("close_code", code.number)) }
        if let detail { fields.append(LogField("detail", detail)) }
        if leftOut > 0 { fields.append(LogField("left_out", leftOut)) }
        log.record(event, fields)
    }

    /// The client address as in `$remote_addr`. The kernel returns no address for a disconnected peer.
    private func clientName(of tunnel: Tunnel, at index: Int) -> String {
        announcedClient(of: index) ?? tunnel.admission.address.text
    }
}
