/// The progress line on a terminal while a command waits. It is rewritten in place and erased before the result.
struct ProgressLine: Equatable {
    let service: String
    let order: BackendCommand
    /// Duration of the last start. nil: unknown or irrelevant.
    let lastStartup: Duration?

    static let wipe = "\r\u{1b}[K"

    /// nil: the command does not wait.
    init?(of action: ControlCommand.Action, lastStartup: Duration?) {
        guard case .order(let order, let service, waits: true) = action else { return nil }
        (self.service, self.order) = (service, order)
        self.lastStartup = order.wantsIt ? lastStartup : nil
    }

    func text(after elapsed: Duration) -> String {
        let last = lastStartup.map { ", last start \(Self.seconds($0))" } ?? ""
        return "\(Self.wipe)\(service) is \(order.doing): \(Self.seconds(elapsed))\(last)"
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(DecimalText.of(Double(duration.wholeMilliseconds) / 1000, places: 1)) s"
    }
}

extension BackendCommand {
    fileprivate var doing: String {
        switch self {
        case .start, .pin: "starting"
        case .restart: "restarting"
        case .stop, .disable: "stopping"
        case .unpin, .enable: "asked"
        }
    }
}
