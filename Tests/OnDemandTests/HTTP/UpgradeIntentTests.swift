import Testing

@testable import OnDemand

@Suite struct UpgradeIntentTests {
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    private func intent(_ bytes: [UInt8]) throws -> Result<UpgradeIntent, HeadError> {
        let head = try requestHead(bytes)
        do throws(HeadError) {
            return .success(try UpgradeIntent.of(head, in: bytes.span))
        } catch {
            return .failure(error)
        }
    }

    /// A good handshake with one field replaced (or dropped, or added).
    private func handshake(
        _ replaced: String? = nil, with fields: String..., line: String = "GET /cable HTTP/1.1"
    ) throws -> Result<UpgradeIntent, HeadError> {
        let good = [
            "Host: a", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: \(Self.key)",
        ]
        let kept = good.filter { field in replaced.map { !field.hasPrefix("\($0):") } ?? true }
        return try intent(Array(([line] + kept + fields + ["", ""]).joined(separator: "\r\n").utf8))
    }

    @Test("R3 a well-formed handshake is one, in any case, over several fields, in lists")
    func webSocket() throws {
        #expect(try handshake() == .success(.webSocket))
        #expect(try handshake("Connection", with: "connection: keep-alive, Upgrade") == .success(.webSocket))
        #expect(try handshake("Connection", with: "Connection: x", "CONNECTION: ,UPGRADE,") == .success(.webSocket))
        #expect(try handshake("Upgrade", with: "upgrade: WebSocket") == .success(.webSocket))
        #expect(try handshake("Upgrade", with: "Upgrade: h2c, websocket") == .success(.webSocket))
        #expect(try handshake(with: "Content-Length: 0") == .success(.webSocket))
    }

    @Test("without Upgrade there is no intent; other protocols and incomplete upgrades are ignored")
    func others() throws {
        #expect(try handshake("Upgrade") == .success(.none))
        #expect(try handshake("Connection") == .success(.ignored))
        #expect(try handshake("Connection", with: "Connection: upgrades, x-upgrade") == .success(.ignored))
        #expect(try handshake("Upgrade", with: "Upgrade: h2c") == .success(.ignored))
        #expect(try handshake("Upgrade", with: "Upgrade: websocket/13") == .success(.ignored))
        #expect(try handshake("Upgrade", with: "Upgrade: xwebsocket") == .success(.ignored))
        #expect(try handshake(line: "GET / HTTP/1.0") == .success(.ignored))
    }

    @Test("a malformed handshake is rejected, not forwarded")
    func malformed() throws {
        #expect(try handshake(line: "POST / HTTP/1.1") == .failure(.upgradeNotGet))
        #expect(try handshake(line: "get / HTTP/1.1") == .failure(.upgradeNotGet))
        #expect(try handshake(line: "HEAD / HTTP/1.1") == .failure(.upgradeNotGet))
        #expect(try handshake("Sec-WebSocket-Key") == .failure(.upgradeKeyMissing))
        #expect(try handshake(with: "Sec-WebSocket-Key: \(Self.key)") == .failure(.upgradeKeyMissing))
        #expect(try handshake(with: "Transfer-Encoding: chunked") == .failure(.upgradeWithBody))
        #expect(try handshake(with: "Content-Length: 5") == .failure(.upgradeWithBody))
        for key in [
            "", "short==", Self.key + "=", "dGhlIHNhbXBsZSBub25jZQ=A", "dGhlIHNhbXBsZSBub25j-Q==",
            "=GhlIHNhbXBsZSBub25jZQ==",
        ] {
            let verdict = try handshake("Sec-WebSocket-Key", with: "Sec-WebSocket-Key: \(key)")
            #expect(verdict == .failure(.upgradeKeyInvalid), "\(key)")
        }
        #expect(HeadError.upgradeKeyInvalid.status == 400)
    }

    @Test("another WebSocket version gets the supported one")
    func versions() throws {
        let field = "Sec-WebSocket-Version"
        #expect(try handshake(field) == .failure(.upgradeVersionMissing))
        #expect(try handshake(with: "\(field): 13") == .failure(.upgradeVersionMissing))
        for version in ["8", "13, 8", "013", "14"] {
            #expect(try handshake(field, with: "\(field): \(version)") == .failure(.upgradeVersionUnsupported))
        }
        #expect(HeadError.upgradeVersionUnsupported.status == 426)
    }

    @Test("only a 101 that says websocket and upgrade is a switch")
    func switches() throws {
        let fields = ["Connection: upgrade", "Upgrade: WebSocket"]
        let isSwitch = { (bytes: [UInt8]) in
            UpgradeIntent.isSwitchToWebSocket(try responseHead(bytes), in: bytes.span)
        }
        #expect(try isSwitch(responseBytes(fields[0], fields[1], line: "HTTP/1.1 101 Switching Protocols")))
        #expect(try !isSwitch(responseBytes(fields[0], fields[1])))
        #expect(try !isSwitch(responseBytes(fields[0], fields[1], line: "HTTP/1.0 101 X")))
        #expect(try !isSwitch(responseBytes(fields[0], line: "HTTP/1.1 101 X")))
        #expect(try !isSwitch(responseBytes(fields[1], line: "HTTP/1.1 101 X")))
        #expect(try !isSwitch(responseBytes(fields[0], "Upgrade: h2c", line: "HTTP/1.1 101 X")))
        #expect(try !isSwitch(responseBytes(fields[0], "Upgrade: websocket, h2c", line: "HTTP/1.1 101 X")))
    }
}
