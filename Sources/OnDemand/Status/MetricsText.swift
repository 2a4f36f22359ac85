/// Writes metrics in the text exposition format 0.0.4 of Prometheus.
struct MetricsText {
    private(set) var text = ""

    /// Writes a family's HELP and TYPE, then its samples.
    mutating func write(_ family: MetricFamily, _ samples: [MetricFamily.Sample]) {
        text += "# HELP \(family.name) \(Self.escaped(family.help))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, inQuotes: true))\"" }
            let inBraces = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
            text += "\(family.name)\(sample.suffix)\(inBraces) \(sample.value)\n"
        }
    }

    private static func escaped(_ text: String, inQuotes: Bool = false) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where inQuotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// One metric family of `/metrics` and its samples from a snapshot.
struct MetricFamily: Sendable {
    enum Kind: String { case counter, gauge, histogram }

    struct Sample {
        var suffix = ""
        var labels: [(name: String, value: String)] = []
        let value: String

        init(_ value: some BinaryInteger, _ labels: [(name: String, value: String)] = [], suffix: String = "") {
            (self.value, self.labels, self.suffix) = ("\(value)", labels, suffix)
        }

        /// Three decimal places: milliseconds, or kilobytes of a megabyte.
        init(_ value: Double, _ labels: [(name: String, value: String)] = [], suffix: String = "") {
            (self.value, self.labels, self.suffix) = (DecimalText.of(value, places: 3), labels, suffix)
        }

        init(_ duration: Duration, _ labels: [(name: String, value: String)] = [], suffix: String = "") {
            self.init(Double(duration.wholeMilliseconds) / 1000, labels, suffix: suffix)
        }
    }

    let name: String
    let kind: Kind
    let help: String
    let samples: @Sendable (Snapshot) -> [Sample]

    init(_ name: String, _ kind: Kind, _ help: String, _ samples: @escaping @Sendable (Snapshot) -> [Sample]) {
        (self.name, self.kind, self.help, self.samples) = ("ondemandd_\(name)", kind, help, samples)
    }

    /// Returns a family with samples of each service and process.
    static func each(
        _ name: String, _ kind: Kind, _ help: String,
        _ samples: @escaping @Sendable (Snapshot.Service) -> [Sample]
    ) -> MetricFamily {
        each("service", of: { $0.services.map { ($0.name, $0) } }, name, kind, help, samples)
    }

    /// Returns a family with samples of each item. Its name begins with `label`, which is their first label, with the
    /// name of the item.
    static func each<Item>(
        _ label: String, of items: @escaping @Sendable (Snapshot) -> [(name: String, item: Item)], _ name: String,
        _ kind: Kind, _ help: String, _ samples: @escaping @Sendable (Item) -> [Sample]
    ) -> MetricFamily {
        MetricFamily("\(label)_\(name)", kind, help) { snapshot in
            items(snapshot).flatMap { name, item in
                samples(item).map { sample in
                    var sample = sample
                    sample.labels.insert((label, name), at: 0)
                    return sample
                }
            }
        }
    }
}
