/// What a terminal shows while a command waits: one line, written anew, and wiped away before the answer.
struct ProgressLine: Equatable {
    let service: String
    let order: BackendOrder
    /// How long the last start took, where that is known and counts.
    let lastBoot: Duration?

    static let wipe = "\r\u{1b}[K"

    /// nil where there is nothing to wait for.
    init?(of action: ControlCommand.Action, lastBoot: Duration?) {
        guard case .order(let order, let service, waits: true) = action else { return nil }
        (self.service, self.order) = (service, order)
        self.lastBoot = order.wantsIt ? lastBoot : nil
    }

    func text(after elapsed: Duration) -> String {
        let last = lastBoot.map { ", the last time it took \(Self.seconds($0))" } ?? ""
        return "\(Self.wipe)\(service) is \(order.doing): \(Self.seconds(elapsed))\(last)"
    }

    private static func seconds(_ duration: Duration) -> String {
        "\(DecimalText.of(Double(duration.wholeMilliseconds) / 1000, places: 1)) s"
    }
}

extension BackendOrder {
    fileprivate var doing: String {
        switch self {
        case .start, .pin: "starting"
        case .restart: "restarting"
        case .stop, .disable: "stopping"
        case .unpin, .enable: "asked"
        }
    }
}
