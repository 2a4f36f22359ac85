/// The default control socket and the environment variable for another one.
enum ControlAddress {
    static let usual = SocketAddress.unix(path: "/run/ondemandd/control.sock")
    static let variable = "ONDEMANDD_CONTROL"
}
