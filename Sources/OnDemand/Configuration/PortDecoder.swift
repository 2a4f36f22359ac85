/// Decodes `port` and combines it with the target.
struct PortDecoder {
    let reader: ConfigurationReader

    enum Port: Equatable {
        case fixed(UInt16)
        /// A free port for each start.
        case automatic
    }

    func port(_ node: ConfigurationNode) -> Located<Port>? {
        if case .number = node.value.content {
            return reader.integer(node, in: KeyRange.backendPort).map { node.located(.fixed(UInt16($0))) }
        }
        return reader.parsed(node, expected: "\"auto\" or a number such as 28080") { text throws(ValueProblem) in
            guard text != "auto" else { return .automatic }
            let port = try AddressParser.port(text)
            guard port > 0 else { throw ValueProblem("has the port 0; \"auto\" lets the system choose") }
            return .fixed(port)
        }
    }

    /// Returns the target with `{port}` filled in; reports contradictions between both.
    func resolve(
        _ target: Located<Configuration.Target>, _ port: Located<Port>?
    ) -> Located<Configuration.Target> {
        let placeholder = LaunchCommand.portPlaceholder
        guard let written = target.value.address.port else {
            if let port { reader.report(port, "the target is a Unix socket, which has no port") }
            return target
        }
        guard let port else {
            if written == 0 {
                reader.report(target, "the target has \(placeholder), and on_demand has no \"port\" to put there")
            }
            return target
        }
        var resolved = target.value
        switch port.value {
        case .automatic:
            guard written == 0 else {
                reader.report(
                    port, "\"auto\" needs \(placeholder) in the target, as in \"http://127.0.0.1:\(placeholder)\"")
                return target
            }
        case .fixed(let number):
            guard written == 0 || written == number else {
                reader.report(port, "\(number) is not the port of the target, which is \(written)")
                return target
            }
            if written == 0 { resolved.authority += ":\(number)" }
            resolved.address = resolved.address.with(port: number)
        }
        return Located(value: resolved, path: target.path, position: target.position)
    }
}
