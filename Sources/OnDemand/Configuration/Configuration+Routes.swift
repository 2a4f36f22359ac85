/// The routes of all services, ready to be searched; a service's position is its backend.
extension Configuration {
    var routeTable: RouteTable {
        RouteTable(
            services.enumerated().flatMap { index, service in
                let backend = BackendID(index: index)
                // What can be started can be enabled while the daemon runs: its machine knows, and refuses meanwhile.
                let isAsked = service.enabled || service.launch != nil
                let destination: Destination = isAsked ? .backend(backend) : .disabled(backend)
                return service.paths.map { Route(pattern: $0, destination: destination) }
            })
    }
}
