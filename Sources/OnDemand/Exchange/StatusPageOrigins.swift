/// The origins of the daemon's own status page, which opens WebSockets of cables.
///
/// The page connects to the host of its own address, with another port. A request is from the page if its `Origin` has
/// the scheme and the host of the request, and the port of the status listener. The host is compared because
/// `http://localhost:9292` is another page on each client's machine: without the comparison it could connect to a
/// public cable. The scheme is compared so that a page without TLS cannot connect to a cable with it.
struct StatusPageOrigins: Equatable, Sendable {
    /// Bound address of the status listener.
    let listener: SocketAddress
    /// `status.allowed_hosts`, in lower case.
    var names: [String] = []

    /// Returns whether the page at this origin is the status page; `scheme` and `host` are those of the request.
    func contains(_ origin: String, scheme: String, host: String) -> Bool {
        let host = Self.withoutPort(host.lowercased())
        let origin = origin.lowercased()
        // The listener itself has no TLS.
        if scheme == "http", isOwnAddress(host), origin == Self.text(scheme, host, listener.port) { return true }
        // A name may belong to a proxy in front, which may have the usual port.
        return names.contains(host)
            && (origin == "\(scheme)://\(host)" || origin == Self.text(scheme, host, listener.port))
    }

    /// Returns whether the status listener is reached by this address, without the names of the configuration.
    private func isOwnAddress(_ host: String) -> Bool {
        guard let octets = listener.octets else { return false }
        let isEveryAddress = octets.allSatisfy { $0 == 0 }
        if host == "localhost" { return listener.isLoopback || isEveryAddress }
        guard isEveryAddress else { return host == Self.withoutPort(listener.description) }
        // A host in brackets is an IPv6 address, never a name (RFC 3986, 3.2.2).
        return host.hasPrefix("[") || IPAddressText.ipv4(host) != nil
    }

    /// The origin as browsers write it: without the port that the scheme implies (RFC 6454, 6.2). nil: no port, so no
    /// origin.
    private static func text(_ scheme: String, _ host: String, _ port: UInt16?) -> String? {
        guard let port else { return nil }
        return port == (scheme == "https" ? 443 : 80) ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(port)"
    }

    /// An IPv6 address keeps its brackets.
    private static func withoutPort(_ host: String) -> String {
        guard let colon = host.lastIndex(of: ":"), host[colon...].allSatisfy({ $0 != "]" }) else { return host }
        return String(host[..<colon])
    }
}

extension CableAccess {
    /// Returns whether a request with these Origin fields may open a WebSocket here. `host` and `scheme` are those of
    /// the request. A list of origins is exact: it admits the status page only where it names it.
    func admits(_ origins: [String], host: String?, scheme: String) -> Bool {
        if self.origins.admit(origins, host: host, scheme: scheme) { return true }
        guard case .sameOrigin = self.origins, let statusPage, let host, origins.count == 1 else { return false }
        return statusPage.contains(origins[0], scheme: scheme, host: host)
    }
}
