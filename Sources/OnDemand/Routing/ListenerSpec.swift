/// The address of a listener and its purpose.
struct ListenerSpec: Equatable, Sendable {
    enum Place: Equatable, Sendable {
        /// As configured: port 0 stays 0.
        case address(SocketAddress)
        /// A socket that systemd opened under this name.
        case inherited(String)
    }

    enum Purpose: Equatable, Sendable {
        case clients
        /// Clients of a proxy that sends a PROXY header.
        case proxyProtocol
        case status, control
        /// Programs that broadcast to the clients of this cable.
        case broadcast(cable: String)

        /// Whether its clients use services, not the daemon's status.
        var isForClients: Bool {
            switch self {
            case .clients, .proxyProtocol: true
            case .status, .control, .broadcast: false
            }
        }

        /// The word for the log.
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
    /// The address in the notation of the configuration.
    var description: String {
        switch place {
        case .address(let address): address.description
        case .inherited(let name): "fd:\(name)"
        }
    }
}
