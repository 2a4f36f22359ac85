/// Decodes `broadcast` of a cable: where programs post messages.
struct CableBroadcastDecoder {
    let reader: ConfigurationReader

    func broadcast(_ node: ConfigurationNode, into draft: inout CableDraft) {
        guard let fields = reader.fields(of: node, as: .cableBroadcast) else { return }
        var broadcast = Configuration.Cable.Broadcast()
        if let path = fields["path"] { draft.broadcastPath = reader.pattern(path) }
        if let listen = fields["listen"] { draft.broadcastListen = place(listen) }
        broadcast.path = draft.broadcastPath?.value
        broadcast.listen = draft.broadcastListen?.value
        if fields["path"] == nil, fields["listen"] == nil {
            reader.report(node, "where programs post is missing; set \"path\", \"listen\" or both")
        }
        if let key = fields["key"] { broadcast.key = reader.accessKey(key) }
        if let bytes = fields["max_body_bytes"] {
            broadcast.maximumBodyBytes =
                reader.size(bytes, in: KeyRange.broadcastBytes) ?? broadcast.maximumBodyBytes
        }
        draft.cable.broadcast = broadcast
    }

    /// An address, or `fd:NAME`.
    private func place(_ node: ConfigurationNode) -> Located<ListenerSpec.Place>? {
        if case .string(let text) = node.value.content, text.hasPrefix("fd:") {
            return reader.inheritedName(node).map { node.located(.inherited($0.value)) }
        }
        return reader.address(node).map { node.located(.address($0.value)) }
    }
}
