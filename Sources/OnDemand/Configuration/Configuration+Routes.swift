/// Builds the routes of all services.
extension Configuration {
    /// Returns the routes; `backends` has the services' order.
    func routes(to backends: [BackendID]) -> [Route] {
        zip(services, backends).flatMap { service, backend in
            // A disabled service with a command can be enabled at run time; its backend rejects requests until then.
            let isAsked = service.enabled || service.launch != nil
            let destination: Destination = isAsked ? .backend(backend) : .disabled(backend)
            return service.paths.map { Route(pattern: $0, destination: destination) }
        }
    }
}
