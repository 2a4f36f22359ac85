/// The owner of the listener at an address, as sock_diag and /proc show it.
enum SocketLookup: Equatable {
    case noListener
    /// The listener's accept queue has a free entry.
    case ownProcess, foreignProcess
    /// The owning process cannot be read, so the listener does not count as the backend's.
    case unknownOwner
    /// Only a connection can tell: an address of another machine, a full accept queue, or a kernel without sock_diag.
    case unsupported
}
