/// Gates and addresses of the backends. The proxy has them.
protocol BackendAccess: AnyObject {
    func gate(of backend: BackendID) -> BackendGate
    /// The address of the generation that the gate is open for.
    func address(of backend: BackendID, _ generation: Generation) -> SocketAddress
}
