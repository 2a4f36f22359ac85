/// Which of the open listeners serve on when the list changes, which are opened, and which are closed.
struct DoorPlan: Equatable {
    /// For each wanted one the position of the open one that it stays, or becomes; nil is to be opened.
    let sources: [Int?]
    /// Positions of open ones that nobody wants any more.
    let closed: [Int]

    /// An address is open once: who wants it for another purpose gets the listener that is there.
    init(from old: [Door], to new: [Door]) {
        var left = Array(old.indices)
        func take(where fits: (Door) -> Bool) -> Int? {
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

extension Door {
    fileprivate func canBecome(_ other: Door) -> Bool {
        // Who may open the door of the control socket is decided when it is made.
        guard place == other.place, purpose != .control, other.purpose != .control else { return false }
        if case .address(let address) = place { return address.port != 0 }
        return true
    }
}

extension Configuration {
    /// In the order in which they are opened.
    var doors: [Door] {
        let addresses = listen.map { address in
            Door(place: .address(address), purpose: proxyProtocol.contains(address) ? .announced : .clients)
        }
        let names = inherited.map { name in
            Door(place: .inherited(name), purpose: announcedNames.contains(name) ? .announced : .clients)
        }
        let own = [(status?.listen, Door.Purpose.status), (control, .control)].compactMap { address, purpose in
            address.map { Door(place: .address($0), purpose: purpose) }
        }
        return addresses + names + own
    }
}
