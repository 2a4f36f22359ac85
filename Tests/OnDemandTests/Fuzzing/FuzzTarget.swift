/// A promise about one parser that every input must leave unbroken, whoever thought of the input: a fuzzer, the corpus
/// of an earlier run, or somebody with a complaint.
struct FuzzTarget: Sendable {
    /// Also the name of its folder below Fuzz/.
    let name: String
    let check: @Sendable ([UInt8]) throws(Complaint) -> Void

    static let all = [
        FuzzTarget(name: "request-head", check: RequestHeadPromise.check),
        FuzzTarget(name: "response-head", check: ResponseHeadPromise.check),
        FuzzTarget(name: "chunked-body", check: ChunkedBodyPromise.check),
        FuzzTarget(name: "frame-stream", check: FrameStreamPromise.check),
        FuzzTarget(name: "json", check: TextPromise.checkJSON),
        FuzzTarget(name: "json-scanner", check: ScannerPromise.check),
        FuzzTarget(name: "configuration", check: TextPromise.checkConfiguration),
        FuzzTarget(name: "environment-file", check: EnvironmentFilePromise.check),
        FuzzTarget(name: "proxy-header", check: ProxyHeaderPromise.check),
        FuzzTarget(name: "accept", check: AcceptPromise.check),
        FuzzTarget(name: "signed-name", check: SignedNamePromise.check),
        FuzzTarget(name: "client-token", check: ClientTokenPromise.check),
        FuzzTarget(name: "broadcast", check: BroadcastPromise.check),
        FuzzTarget(name: "resp", check: RESPPromise.check),
        FuzzTarget(name: "message-stream", check: MessageStreamPromise.check),
        FuzzTarget(name: "cable-session", check: CableSessionPromise.check),
    ]

    static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// What an input broke, in words.
struct Complaint: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Complains when the promise is broken.
func promise(_ isKept: Bool, _ broken: @autoclosure () -> String) throws(Complaint) {
    guard isKept else { throw Complaint(broken()) }
}
