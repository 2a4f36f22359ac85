/// First line and fields of a request as received. Lenient: it reports and does not validate.
struct RequestHead {
    let raw: [UInt8]
    let method: String
    let target: String
    let version: String
    let fieldLines: [String]

    /// `raw` ends with the empty line. nil: the first line does not have three words.
    init?(_ raw: [UInt8]) {
        self.raw = raw
        let text = String(decoding: raw, as: UTF8.self)
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: true).map { String($0) }
        guard let first = lines.first?.split(separator: " "), first.count == 3, first[2].hasPrefix("HTTP/1.") else {
            return nil
        }
        (method, target, version) = (String(first[0]), String(first[1]), String(first[2]))
        lines.removeFirst()
        fieldLines = lines
    }

    /// All values of a field in order.
    func values(_ name: String) -> [String] {
        fieldLines.compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].lowercased() == name else { return nil }
            return parts[1].trimmed
        }
    }

    /// The comma-separated members of a field in lower case (RFC 9110, 5.6.1).
    func tokens(_ name: String) -> [String] {
        values(name).flatMap { $0.split(separator: ",") }.map { $0.trimmed.lowercased() }
    }

    /// Persistence of the connection (RFC 9112, 9.3).
    var keepsAlive: Bool {
        let options = tokens("connection")
        return version == "HTTP/1.0" ? options.contains("keep-alive") : !options.contains("close")
    }

    var asksForWebSocket: Bool {
        method == "GET" && tokens("upgrade").contains("websocket") && tokens("connection").contains("upgrade")
    }

    var asksForCable: Bool { tokens("sec-websocket-protocol").contains(CableSession.subprotocol) }

    /// Segments of the path. Only the last ones select the reaction, because a proxy may add a prefix.
    var segments: [String] {
        target.split(separator: "?", omittingEmptySubsequences: false)[0].split(separator: "/").map { String($0) }
    }

    func query(_ name: String) -> String? {
        let parts = target.split(separator: "?", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        return parts[1].split(separator: "&").first { $0.hasPrefix(name + "=") }
            .map { String($0.dropFirst(name.count + 1)) }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
