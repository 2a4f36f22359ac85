/// The routes of all services, ready to be searched.
extension Configuration {
    /// Each service's backend stands at the service's position.
    func routes(to backends: [BackendID]) -> [Route] {
        zip(services, backends).flatMap { service, backend in
            // What can be started can be enabled while the daemon runs: its machine knows, and refuses meanwhile.
            let isAsked = service.enabled || service.launch != nil
            let destination: Destination = isAsked ? .backend(backend) : .disabled(backend)
            return service.paths.map { Route(pattern: $0, destination: destination) }
        }
    }
}
