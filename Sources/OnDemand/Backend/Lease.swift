/// The right to use one generation of a backend, returned at the end of an exchange or tunnel.
struct Lease: Equatable, Sendable {
    let backend: BackendID
    let generation: Generation
}
