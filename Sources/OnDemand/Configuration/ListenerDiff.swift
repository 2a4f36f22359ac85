/// Listeners that are kept, opened and closed when the list changes.
struct ListenerDiff: Equatable {
    /// For each new listener the index of the open one that it keeps or takes over; nil opens a socket.
    let sources: [Int?]
    /// Indices of open listeners to close.
    let closed: [Int]

    /// Matches new to open listeners. An address is open once, so a listener with another purpose takes it over.
    init(from old: [ListenerSpec], to new: [ListenerSpec]) {
        var left = Array(old.indices)
        func take(where fits: (ListenerSpec) -> Bool) -> Int? {
            guard let position = left.firstIndex(where: { fits(old[$0]) }) else { return nil }
            return left.remove(at: position)
        }
        var sources = new.map { door in take { $0 == door } }
        for (index, door) in new.enumerated() where sources[index] == nil {
            sources[index] = take { $0.canBecome(door) }
        }
        self.sources = sources
        closed = left
    }
}

extension ListenerSpec {
    fileprivate func canBecome(_ other: ListenerSpec) -> Bool {
        // The control socket's permissions are set when it is created.
        guard place == other.place, purpose != .control, other.purpose != .control else { return false }
        if case .address(let address) = place { return address.port != 0 }
        return true
    }
}

extension Configuration {
    /// All listeners in the order in which they are opened.
    var listenerSpecs: [ListenerSpec] {
        let addresses = listen.map { address in
            ListenerSpec(place: .address(address), purpose: proxyProtocol.contains(address) ? .proxyProtocol : .clients)
        }
        let names = inherited.map { name in
            ListenerSpec(place: .inherited(name), purpose: announcedNames.contains(name) ? .proxyProtocol : .clients)
        }
        let own = [(status?.listen, ListenerSpec.Purpose.status), (control, .control)].compactMap { address, purpose in
            address.map { ListenerSpec(place: .address($0), purpose: purpose) }
        }
        let broadcasts = cables.compactMap { cable in
            cable.broadcast?.listen.map { ListenerSpec(place: $0, purpose: .broadcast(cable: cable.name)) }
        }
        return addresses + names + own + broadcasts
    }
}
