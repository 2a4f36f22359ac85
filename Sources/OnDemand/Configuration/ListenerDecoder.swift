/// Decodes `listen`: addresses, inherited sockets, and whether their connections begin with a PROXY header.
struct ListenerDecoder {
    let reader: ConfigurationReader

    func listeners(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        let nodes = reader.oneOrMore(node)
        if nodes.count > KeyRange.listeners {
            reader.report(node, "the list has more than \(KeyRange.listeners) items")
        }
        for node in nodes.prefix(KeyRange.listeners) { listener(node, into: &draft) }
    }

    /// Decodes an address, the name of an inherited socket, or an object with more settings for either.
    private func listener(_ node: ConfigurationNode, into draft: inout ConfigurationDraft) {
        var (place, isAnnounced) = (node, false)
        if case .object = node.value.content {
            guard let fields = reader.fields(of: node, as: .listener),
                let address = reader.required("address", in: fields, purpose: "it says where to listen")
            else { return }
            (place, isAnnounced) = (address, fields["proxy_protocol"].flatMap { reader.boolean($0) } ?? false)
        }
        if case .string(let text) = place.value.content, text.hasPrefix("fd:") {
            guard let name = reader.inheritedName(place) else { return }
            draft.inherited.append(name)
            if isAnnounced { draft.announcedNames.append(name.value) }
        } else if let address = reader.address(place) {
            draft.listen.append(address)
            if isAnnounced { draft.proxyProtocol.append(address.value) }
        }
    }
}
