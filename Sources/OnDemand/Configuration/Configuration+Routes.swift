/// The routes of all services, ready to be searched; a service's position is its backend.
extension Configuration {
    var routeTable: RouteTable {
        RouteTable(
            services.enumerated().flatMap { index, service in
                let backend = BackendID(index: index)
                let destination: Destination = service.enabled ? .backend(backend) : .disabled(backend)
                return service.paths.map { Route(pattern: $0, destination: destination) }
            })
    }
}
