/// The relays of all cables: those of several cables may have the same backend.
protocol RelayGroup: AnyObject {
    /// Clients that are to reconnect for the same reason are told within this time, so that they do not all come back
    /// at once.
    var closeJitter: Duration { get }
    /// A client needs this backend: its other clients are restored too.
    func beginRestoring(behind backend: BackendID)
    /// Clients of this backend are not connected to it yet.
    func isRestoring(behind backend: BackendID) -> Bool
    /// They all are.
    func restored(behind backend: BackendID)
}
