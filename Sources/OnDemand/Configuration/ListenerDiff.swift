/// Which of the open listeners serve on when the list changes, which are opened, and which are closed.
struct ListenerDiff: Equatable {
    /// For each wanted one the position of the open one that it stays, or becomes; nil is to be opened.
    let sources: [Int?]
    /// Positions of open ones that nobody wants any more.
    let closed: [Int]

    /// An address is open once: who wants it for another purpose gets the listener that is there.
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
        // Who may open the door of the control socket is decided when it is made.
        guard place == other.place, purpose != .control, other.purpose != .control else { return false }
        if case .address(let address) = place { return address.port != 0 }
        return true
    }
}

extension Configuration {
    /// In the order in which they are opened.
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
