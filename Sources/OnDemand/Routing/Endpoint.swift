/// An endpoint that the daemon serves itself. A feature that serves requests adds a case here.
///
/// A request for an endpoint never wakes a backend and never resets an idle timer.
enum Endpoint: Hashable, Sendable {
    /// A resource of the status listener.
    case status(StatusResource)
    /// The control socket, which reads the path of its requests itself.
    case control
    /// A WebSocket endpoint.
    case cable(CableID)
    /// The endpoint to which programs post messages for a cable's clients.
    case broadcast(CableID)
    /// Where runs of a command are started.
    case command(CommandID)
    /// One run of a command; the last segment of the path is its ID.
    case run(CommandID)
}
