/// Something in a valid configuration that is probably not meant: where it is, and a sentence for the operator.
struct ConfigurationWarning: Equatable, Sendable {
    let path: String
    let position: TextPosition
    let sentence: String

    /// In the form of an error, so that editors can jump there.
    func rendered(file: String, paint: ANSIStyle = .plain) -> String {
        "\(file):\(position.line):\(position.column): \(paint(.yellow, "warning:")) \(path): \(sentence)"
    }
}

extension ConfigurationNode {
    func warning(_ sentence: String) -> ConfigurationWarning {
        ConfigurationWarning(path: path, position: value.position, sentence: sentence)
    }
}

extension Located {
    func warning(_ sentence: String) -> ConfigurationWarning {
        ConfigurationWarning(path: path, position: position, sentence: sentence)
    }
}

extension ConfigurationDraft {
    /// The warnings about more than one value. Nothing is missing any more.
    func warnings() -> [ConfigurationWarning] {
        cables.flatMap { warnings(about: $0) } + commands.flatMap { warnings(about: $0) }
    }

    private func warnings(about cable: CableDraft) -> [ConfigurationWarning] {
        guard let name = cable.name else { return [] }
        var warnings: [ConfigurationWarning] = []
        if !cable.cable.streams.allowSubscriptions, cable.backend == nil {
            warnings.append(
                name.warning(
                    "every subscription is rejected; set \"public\", \"secret\", \"rails_secret_key_base\" or"
                        + " \"channels\" in \"streams\""))
        }
        // A backend without such streams publishes to its own channels.
        let servesStreams = cable.cable.streams.allowSubscriptions || cable.backend == nil
        let isForCommands = commands.contains { $0.cable?.value == name.value }
        if servesStreams, cable.cable.broadcast == nil, cable.redis == nil, !isForCommands {
            let how = control == nil ? "no program can publish" : "only `ondemandd broadcast` can publish"
            warnings.append(name.warning("\(how); set \"broadcast\" or \"redis\""))
        }
        return warnings + keyWarnings(about: cable) + hibernationWarnings(about: cable)
    }

    /// Without a key the address of the peer is all that tells publishers from others.
    private func keyWarnings(about cable: CableDraft) -> [ConfigurationWarning] {
        guard let broadcast = cable.cable.broadcast, broadcast.key == nil else { return [] }
        var warnings: [ConfigurationWarning] = []
        if let listen = cable.broadcastListen, case .address(let address) = listen.value, address.isPublic {
            warnings.append(
                listen.warning(
                    "\(address) can be reached from other machines, which get 403; set a \"key\", or use 127.0.0.1"))
        }
        if let path = cable.broadcastPath, let listener = listen.first(where: { $0.value.isPublic }) {
            warnings.append(
                path.warning(
                    "\(listener.value) at \(listener.place) can be reached from other machines, and without a \"key\""
                        + " only a peer's address protects the endpoint; set one"))
        }
        return warnings
    }
}

extension Configuration.Cable.Streams {
    /// Whether any name can pass.
    fileprivate var allowSubscriptions: Bool {
        publicStreams != .none || secret != nil || railsSecretKeyBase != nil || !channels.isEmpty
    }
}

extension SocketAddress {
    /// Whether other machines may reach it.
    fileprivate var isPublic: Bool {
        !TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true).includes(self)
    }
}
