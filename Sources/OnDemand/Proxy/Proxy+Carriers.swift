/// Tunnels on other threads: who carries which, what their carriers are told, and what they tell.
extension Proxy {
    /// A carrier as the proxy that decides sees it.
    struct CarrierSeat {
        let orders: Letterbox<CarrierOrder>
        let ledger: TrafficLedger
        /// Connections that have been handed over and have not been told to be over.
        var connections = 0
    }

    /// All that there are, here and on other threads.
    var connectionCount: Int { links.count + carriedCount }

    var carriedCount: Int { carriers.reduce(0) { $0 + $1.connections } }

    // MARK: To a carrier

    /// Whoever has the fewest connections, and of several the first; nil is this reactor itself, which comes last,
    /// because everything else is its work, too.
    static func lightest(own: Int, others: [Int]) -> Int? {
        guard let fewest = others.min(), fewest <= own else { return nil }
        return others.firstIndex(of: fewest)
    }

    /// False where it stays.
    func handOver(_ index: Int) -> Bool {
        guard !carriers.isEmpty,
            let chosen = Self.lightest(own: links.count - 1, others: carriers.map(\.connections)),
            let lease = links[index].lease, let upstream = links[index].upstream
        else { return false }
        let link = links[index]
        let announced = announcedClient(of: index)
        noteAnnounced(nil, of: index)
        kernel.unwatch(link.client.descriptor)
        kernel.unwatch(upstream.descriptor)
        links.remove(index: index)
        carriers[chosen].connections += 1
        if carriedCount == Limits.crowd { hadCrowd = true }
        upstreams[lease.backend.index].carried += 1
        carriers[chosen].orders.post(.adopt(Passage(link, announcedClient: announced)), through: kernel)
        return true
    }

    func tellCarriers(_ order: CarrierOrder) {
        for carrier in carriers { carrier.orders.post(order, through: kernel) }
    }

    func tellCarriers(of id: BackendID) {
        guard !carriers.isEmpty else { return }
        let upstream = upstreams[id.index]
        tellCarriers(.seat(id, name: upstream.name, upstream.gate, upstream.limits))
    }

    // MARK: From a carrier

    func takeReports() {
        guard let reports else { preconditionFailure("a bell rings where nobody has one") }
        for report in reports.takeAll() { handle(report) }
        // When the reports are gone, too: a crowd that leaves at once has many.
        giveBackWhenEmpty()
    }

    private func handle(_ report: CarrierReport) {
        switch report.news {
        case .told(let event, let fields): log.record(event, fields)
        case .leaseEnded(let lease, let wasDormant):
            upstreams[lease.backend.index].carried -= 1
            endUse(of: lease, wasDormant: wasDormant)
        case .connectionEnded(let admission):
            carriers[report.carrier].connections -= 1
            leaveCrowd(admission)
        }
    }

    /// What has gone through the tunnels of others until now is counted here from now on.
    func settleTraffic() {
        for carrier in carriers { carrier.ledger.settle(into: &traffic) }
    }

    // MARK: On a carrier

    /// What was known of its sockets' readiness came along, and watching them tells how they are now.
    func adopt(_ link: Link, announcedClient: String?) {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        let place = links.insert(link)
        links[place.index].generation = place.generation
        noteAnnounced(announcedClient, of: place.index)
        links[place.index].upstream?.number = lastUpstreamNumber
        if links.count == Limits.crowd { hadCrowd = true }
        do throws(SystemError) {
            try kernel.watch(link.client.descriptor, for: .edges, as: clientToken(place.index))
            if let upstream = link.upstream {
                let token = Token(.upstream, index: place.index, generation: lastUpstreamNumber)
                try kernel.watch(upstream.descriptor, for: .edges, as: token)
            }
            relay(place.index)
        } catch {
            log(.systemTrouble, LogField("detail", error.description))
            close(place.index, .clientReset)
        }
    }

    func seat(_ upstream: Upstream, at id: BackendID) {
        guard upstreams.indices.contains(id.index) else {
            precondition(id.index == upstreams.count, "services are seated in order")
            upstreams.append(upstream)
            traffic.append(Traffic())
            return
        }
        upstreams[id.index] = upstream
    }

    func enterTraffic() {
        if let reporting { reporting.ledger.enter(&traffic) }
    }

    /// True where others count. What was carried until then is entered first, so that whoever hears of an end finds all
    /// of it.
    func report(_ news: @autoclosure () -> CarrierReport.News) -> Bool {
        guard let reporting else { return false }
        enterTraffic()
        reporting.letterbox.post(CarrierReport(carrier: reporting.carrier, news: news()), through: kernel)
        return true
    }
}
