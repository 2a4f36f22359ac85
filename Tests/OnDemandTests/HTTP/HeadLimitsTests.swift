import Testing

@testable import OnDemand

@Suite struct HeadLimitsTests {
    private func head(ofBytes count: Int) -> [UInt8] {
        let frame = requestBytes("X: ").count
        return requestBytes("X: " + String(repeating: "x", count: count - frame))
    }

    @Test("a head of exactly the limit passes, one byte more does not, finished or not")
    func headBytes() throws {
        let limits = HeadLimits(maximumHeaderBytes: 200)
        #expect(try Feeding.request([head(ofBytes: 200)], limits: limits).get()?.byteCount == 200)
        let long = head(ofBytes: 201)
        for pieces in Splits.all(of: long) {
            #expect(Feeding.request(pieces, limits: limits) == .failure(.headTooLarge))
        }
        #expect(HeadError.headTooLarge.status == 431)
        #expect(
            Feeding.response([responseBytes("X: \(String(repeating: "x", count: 200))")], limits: limits)
                == .failure(.headTooLarge))
    }

    @Test("the defaults are 16 KiB, 128 fields and targets of 8 KiB")
    func defaults() throws {
        #expect(try Feeding.request([head(ofBytes: 16384)]).get() != nil)
        #expect(Feeding.request([head(ofBytes: 16385)]) == .failure(.headTooLarge))
        let fields = (1..<128).map { "X-\($0): y\r\n" }.joined()
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n") == nil)
        #expect(refusal(of: "GET / HTTP/1.1\r\nHost: a\r\n\(fields)Y: 1\r\n\r\n") == .tooManyFields)
        let path = "/" + String(repeating: "p", count: 8191)
        #expect(refusal(of: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
        #expect(refusal(of: "GET \(path)p HTTP/1.1\r\nHost: a\r\n\r\n") == .targetTooLong)
        #expect(HeadError.tooManyFields.status == 431)
        #expect(HeadError.targetTooLong.status == 414)
    }

    @Test("the longest allowed request line fits, whatever its method")
    func longestRequestLine() {
        let method = String(repeating: "M", count: HeadLimits.maximumMethodBytes)
        let path = "/" + String(repeating: "p", count: 8191)
        #expect(refusal(of: "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\r\n") == nil)
    }

    @Test("a target without an end gets 414 before the head is full")
    func endlessTarget() {
        let bytes = Array("GET /\(String(repeating: "p", count: 9000))".utf8)
        #expect(Feeding.request([bytes]) == .failure(.targetTooLong))
        #expect(Feeding.request(bytes.map { [$0] }) == .failure(.targetTooLong))
        let limits = HeadLimits(maximumURIBytes: 10)
        let short = Array("GET /0123456789 HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        for pieces in Splits.all(of: short) {
            #expect(Feeding.request(pieces, limits: limits) == .failure(.targetTooLong))
        }
    }

    @Test("every rejection has a text")
    func reasons() {
        for error in [HeadError.headTooLarge, .bareLineFeed(at: 7), .missingHost, .upgradeWithBody, .invalidStatus] {
            #expect(error.reason.last == ".")
        }
        #expect(HeadError.bareLineFeed(at: 7).reason == "A line ends without a carriage return at byte 7.")
    }
}
