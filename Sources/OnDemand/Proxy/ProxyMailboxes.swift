/// The mailboxes of the drivers that serve what the proxy's clients ask for.
struct ProxyMailboxes {
    /// Of the supervisor. A message for one of the others is announced here, so that an iteration without any looks at
    /// one mailbox only.
    var backends = Mailbox<BackendRequest>()
    var cables = Mailbox<CableRequest>()
    var commands = Mailbox<CommandRequest>()
    /// Of the daemon itself.
    var daemon = Mailbox<DaemonRequest>()

    func post(_ request: CableRequest) {
        cables.post(request)
        backends.post(.cableWork)
    }

    func post(_ request: CommandRequest) {
        commands.post(request)
        backends.post(.commandWork)
    }

    func post(_ request: DaemonRequest) {
        daemon.post(request)
        backends.post(.daemonWork)
    }
}
