/// A place where clients come in, and what they come for.
struct ListenerSpec: Equatable, Sendable {
    enum Place: Equatable, Sendable {
        /// As configured: a port of 0 stays one.
        case address(SocketAddress)
        /// What a manager has opened under this name.
        case inherited(String)
    }

    enum Purpose: Equatable, Sendable {
        case clients
        /// Clients of a proxy that says whose connection it is before anything else.
        case proxyProtocol
        case status, control
        /// Programs that broadcast to the clients of this cable.
        case broadcast(cable: String)

        /// Somebody wants a service, and nothing about the daemon.
        var isForClients: Bool {
            switch self {
            case .clients, .proxyProtocol: true
            case .status, .control, .broadcast: false
            }
        }

        /// For the log.
        var word: String {
            switch self {
            case .clients, .proxyProtocol: "clients"
            case .status: "status"
            case .control: "control"
            case .broadcast: "broadcasts"
            }
        }
    }

    let place: Place
    let purpose: Purpose
}

extension ListenerSpec: CustomStringConvertible {
    /// The place as an operator writes it.
    var description: String {
        switch place {
        case .address(let address): address.description
        case .inherited(let name): "fd:\(name)"
        }
    }
}
