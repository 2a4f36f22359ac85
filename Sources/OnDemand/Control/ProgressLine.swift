/// The progress line on a terminal while an operation waits. It is rewritten in place and erased before the result.
struct ProgressLine: Equatable {
    let service: String
    let operation: BackendOperation
    /// Duration of the last start. nil: unknown or irrelevant.
    let lastStartup: Duration?

    static let wipe = "\r\u{1b}[K"

    /// nil: the action waits for no operation.
    init?(of action: ControlCommand.Action, lastStartup: Duration?) {
        guard case .operation(let operation, let service, waits: true) = action else { return nil }
        (self.service, self.operation) = (service, operation)
        self.lastStartup = operation.wantsIt ? lastStartup : nil
    }

    func text(after elapsed: Duration) -> String {
        let last = lastStartup.map { ", last start \(Self.seconds($0))" } ?? ""
        return "\(Self.wipe)\(service) is \(operation.doing): \(Self.seconds(elapsed))\(last)"
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(DecimalText.of(Double(duration.wholeMilliseconds) / 1000, places: 1)) s"
    }
}

extension BackendOperation {
    fileprivate var doing: String {
        switch self {
        case .start, .pin: "starting"
        case .restart: "restarting"
        case .stop, .disable: "stopping"
        case .unpin, .enable: "asked"
        }
    }
}
