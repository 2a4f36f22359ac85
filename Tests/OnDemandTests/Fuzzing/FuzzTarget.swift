/// A property of one parser that must hold for every input, whether from a fuzzer, from the corpus of an earlier run,
/// or from a bug report.
struct FuzzTarget: Sendable {
    /// Also the name of its folder below Fuzz/.
    let name: String
    let check: @Sendable ([UInt8]) throws(Violation) -> Void

    static let all = [
        FuzzTarget(name: "request-head", check: RequestHeadProperty.check),
        FuzzTarget(name: "response-head", check: ResponseHeadProperty.check),
        FuzzTarget(name: "chunked-body", check: ChunkedBodyProperty.check),
        FuzzTarget(name: "frame-stream", check: FrameStreamProperty.check),
        FuzzTarget(name: "json", check: TextProperty.checkJSON),
        FuzzTarget(name: "json-scanner", check: ScannerProperty.check),
        FuzzTarget(name: "configuration", check: TextProperty.checkConfiguration),
        FuzzTarget(name: "environment-file", check: EnvironmentFileProperty.check),
        FuzzTarget(name: "proxy-header", check: ProxyHeaderProperty.check),
        FuzzTarget(name: "accept", check: AcceptProperty.check),
        FuzzTarget(name: "signed-name", check: SignedNameProperty.check),
        FuzzTarget(name: "client-token", check: ClientTokenProperty.check),
        FuzzTarget(name: "broadcast", check: BroadcastProperty.check),
        FuzzTarget(name: "resp", check: RESPProperty.check),
        FuzzTarget(name: "message-stream", check: MessageStreamProperty.check),
        FuzzTarget(name: "cable-session", check: CableSessionProperty.check),
        FuzzTarget(name: "relay-session", check: RelaySessionProperty.check),
    ]

    static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// The broken property, as text.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Throws when the property is broken.
func promise(_ isKept: Bool, _ broken: @autoclosure () -> String) throws(Violation) {
    guard isKept else { throw Violation(broken()) }
}
