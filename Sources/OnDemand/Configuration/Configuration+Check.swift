/// Checks that keys fit together.
extension ConfigurationDraft {
    /// `resolving` returns the real path of a directory; nil where it does not exist or no file system is read.
    func conflicts(resolving: Configuration.Resolving) -> [ConfigurationError] {
        repeatedNames() + repeatedInherited() + overlappingRoutes() + collidingListeners(resolving)
            + loops(resolving) + sharedTargets(resolving) + reversedBackoffs() + vainUpgrades()
            + unreachableTargets() + impossibleRequirements() + impossibleBackends()
            + impossibleCommands()
    }

    private func repeatedNames() -> [ConfigurationError] {
        var first: [String: Located<String>] = [:]
        let names = services.map(\.name) + processes.map(\.name) + cables.map(\.name) + commands.map(\.name)
        return names.compactMap { $0 }.compactMap { name in
            guard let other = first[name.value] else {
                first[name.value] = name
                return nil
            }
            return name.error("\(name.value.quoted) is already the name at \(other.place)")
        }
    }

    private func repeatedInherited() -> [ConfigurationError] {
        var first: [String: Located<String>] = [:]
        let ofCables = cables.compactMap(\.broadcastListen).compactMap { listen in
            if case .inherited(let name) = listen.value { listen.with(name) } else { nil }
        }
        return (inherited + ofCables).compactMap { name in
            guard let other = first[name.value] else {
                first[name.value] = name
                return nil
            }
            return name.error("\("fd:\(name.value)".quoted) is already listened on at \(other.place)")
        }
    }

    /// Returns routes that hide each other. Routes of disabled services count too, because they answer 503.
    private func overlappingRoutes() -> [ConfigurationError] {
        var first: [String: Located<PathPattern>] = [:]
        let ofCables = cables.flatMap { $0.paths + [$0.broadcastPath].compactMap(\.self) }
        let ofCommands = commands.compactMap(\.path).flatMap { [$0, $0.with($0.value.ofRuns)] }
        return (services.flatMap(\.paths) + ofCables + ofCommands).compactMap { pattern in
            guard let other = first[pattern.value.shape] else {
                first[pattern.value.shape] = pattern
                return nil
            }
            let texts = "\(pattern.value.text.quoted) matches the same paths as \(other.value.text.quoted)"
            return pattern.error("\(texts) at \(other.place)")
        }
    }

    private var allListeners: [Located<SocketAddress>] {
        let ofCables = cables.compactMap(\.broadcastListen).compactMap { listen in
            if case .address(let address) = listen.value { listen.with(address) } else { nil }
        }
        return listen + [status, control].compactMap(\.self) + ofCables
    }

    private func collidingListeners(_ resolving: Configuration.Resolving) -> [ConfigurationError] {
        let listeners = allListeners
        let places = listeners.map { $0.value.canonical(resolving) }
        return listeners.indices.compactMap { index in
            let listener = listeners[index]
            let place = places[index]
            guard let first = places[..<index].firstIndex(where: { $0.collides(with: place) }) else { return nil }
            let other = listeners[first]
            return listener.error("\(listener.value) conflicts with \(other.value) at \(other.place)")
        }
    }

    /// Returns targets that are listeners of this daemon: requests would loop forever.
    private func loops(_ resolving: Configuration.Resolving) -> [ConfigurationError] {
        let targets =
            services.compactMap { $0.target?.address } + processes.compactMap(\.address)
            + cables.compactMap { $0.redis.map { $0.with($0.value.url.address) } }
        let listeners = allListeners
        let places = listeners.map { $0.value.canonical(resolving) }
        return targets.compactMap { target in
            let place = target.value.canonical(resolving)
            guard let listener = zip(listeners, places).first(where: { $1.replies(place) })?.0 else { return nil }
            return target.error("\(target.value) is a listener of this daemon, see \(listener.place)")
        }
    }

    /// Returns commands that share an address. Entries of which only one is enabled may share it.
    private func sharedTargets(_ resolving: Configuration.Resolving) -> [ConfigurationError] {
        var first: [SocketAddress: Located<SocketAddress>] = [:]
        let launched = services.filter { $0.enabled && $0.launch != nil }.compactMap { $0.target?.address }
        return (launched + processes.filter(\.enabled).compactMap(\.address)).compactMap { target in
            guard target.value.port != 0 else { return nil }  // Each start gets its own port.
            let place = target.value.canonical(resolving)
            guard let other = first[place] else {
                first[place] = target
                return nil
            }
            return target.error("two commands cannot listen at \(target.value), see \(other.place)")
        }
    }

    /// Returns `max_uri_bytes` limits that can never be reached, because the header limit comes first.
    private func unreachableTargets() -> [ConfigurationError] {
        guard let limits, limits.value.maximumURIBytes >= limits.value.maximumHeaderBytes else { return [] }
        let sentence = "\"max_uri_bytes\" (default 8KiB) must be below \"max_header_bytes\" (default 16KiB)"
        return [limits.error(sentence)]
    }

    private func reversedBackoffs() -> [ConfigurationError] {
        (services.map(\.backoff) + processes.map(\.backoff)).compactMap { $0 }.compactMap { backoff in
            guard backoff.value.first > backoff.value.longest else { return nil }
            return backoff.error("\"min\" (default 1s) is longer than \"max\" (default 60s)")
        }
    }
}

extension ConfigurationDraft {
    /// Returns `wake_on` conditions that wait for upgrades which are relayed as ordinary requests.
    fileprivate func vainUpgrades() -> [ConfigurationError] {
        services.filter { !$0.websocket }.compactMap(\.wakeOn).compactMap { rule in
            guard rule.value.conditions?.contains(.upgrade) == true else { return nil }
            return rule.error("waits for upgrades, which only pass where \"websocket\" is true")
        }
    }
}

extension Located<Configuration.Target> {
    fileprivate var address: Located<SocketAddress> { with(value.address) }
}

extension Located {
    /// Another value from the same place.
    func with<Other>(_ value: Other) -> Located<Other> {
        Located<Other>(value: value, path: path, position: position)
    }
}

extension SocketAddress {
    /// Returns one spelling per address: no empty segments, the real path of an existing directory, and IPv4 where it
    /// is mapped into IPv6 (RFC 4291, 2.5.5.2).
    fileprivate func canonical(_ resolving: Configuration.Resolving) -> SocketAddress {
        switch self {
        case .unix(let path):
            let segments = path.split(separator: "/").filter { $0 != "." }
            let parent = (path.hasPrefix("/") ? "/" : "./") + segments.dropLast().joined(separator: "/")
            if let name = segments.last, let directory = resolving(parent) {
                return .unix(path: (directory == "/" ? "" : directory) + "/" + name)
            }
            return .unix(path: (path.hasPrefix("/") ? "/" : "") + segments.joined(separator: "/"))
        case .ipv6(let octets, let port) where octets.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]:
            return .ipv4(octets: Array(octets.suffix(4)), port: port)
        case .ipv4, .ipv6: return self
        }
    }

    /// Returns whether both canonical addresses cannot be open at once.
    fileprivate func collides(with other: SocketAddress) -> Bool {
        switch (self, other) {
        case (.unix(let path), .unix(let otherPath)): path == otherPath
        case (.ipv4(let octets, let port), .ipv4(let otherOctets, let otherPort)),
            (.ipv6(let octets, let port), .ipv6(let otherOctets, let otherPort)):
            port == otherPort && port != 0
                && (octets == otherOctets || octets.isUnspecified || otherOctets.isUnspecified)
        default: false
        }
    }

    /// Returns whether a listener at this address accepts connections to `target`, judged by the addresses alone.
    fileprivate func replies(_ target: SocketAddress) -> Bool {
        guard collides(with: target) else { return false }
        switch target {
        case .unix: return true
        case .ipv4(let octets, _): return self == target || octets.isUnspecified || octets[0] == 127
        case .ipv6(let octets, _): return self == target || octets.isUnspecified || octets.isIPv6Loopback
        }
    }
}

extension [UInt8] {
    /// Whether this is `0.0.0.0` or `::`, which stands for all interfaces.
    fileprivate var isUnspecified: Bool { allSatisfy { $0 == 0 } }
    fileprivate var isIPv6Loopback: Bool { last == 1 && dropLast().allSatisfy { $0 == 0 } }
}
