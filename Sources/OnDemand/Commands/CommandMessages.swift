/// Messages between the proxy (clients), the command runner (processes) and the cable server (streams). None of them
/// refers to another.

/// From the proxy: requests of clients and operators. `requester` is the token of their connection.
enum CommandRequest {
    /// POST to the command's path.
    case start(CommandID, body: [UInt8], requester: Token)
    /// GET of a run.
    case state(CommandID, RunID?, requester: Token)
    /// DELETE of a run.
    case stop(CommandID, RunID?, requester: Token)
    /// An operator starts a run and follows its output.
    case follow(CommandID, parameters: [(String, String)], requester: Token)
    /// The connection of an operator is closed. The run goes on.
    case followerLeft(requester: Token)
    /// A request was rejected before it came here.
    case rejected(CommandID, RunRejection)
}

/// From the command runner to the proxy.
enum CommandReply {
    case response(LocalReply, requester: Token)
    /// A run has begun; its output follows.
    case following(RunID, requester: Token)
    case output([UInt8], requester: Token)
    /// Nothing follows; the run is in its last state.
    case followEnded(Snapshot.Run, requester: Token)
}

/// From the command runner to the cable server. A cable is named, because a reload may give its number to another one.
enum StreamRequest: Equatable {
    /// A message as text.
    case publish(cable: String, stream: [UInt8], text: [UInt8])
    /// `StreamReply.subscribed` is wanted, at once if the stream has a subscriber already.
    case awaitSubscriber(cable: String, stream: [UInt8])
    /// It is not wanted any more.
    case forget(cable: String, stream: [UInt8])
}

/// From the cable server to the command runner.
enum StreamReply: Equatable {
    /// Messages of this stream reach a client.
    case subscribed(cable: String, stream: [UInt8])
    /// Messages for this cable are to wait: those that it has are not delivered yet.
    case congested(cable: String)
    /// They may follow.
    case relieved(cable: String)
}
