/// Where a daemon is asked when nobody says where.
enum ControlAddress {
    static let usual = SocketAddress.unix(path: "/run/ondemandd/control.sock")
    static let variable = "ONDEMANDD_CONTROL"
}
