import Testing

@testable import OnDemand

@Suite struct BodyFramingTests {
    private func ofRequest(
        _ bytes: [UInt8], limits: BodyLimits = .init()
    ) throws -> Result<BodyFraming, FramingError> {
        let head = try requestHead(bytes)
        do throws(FramingError) {
            return .success(try BodyFraming.ofRequest(head, in: bytes.span, limits: limits))
        } catch {
            return .failure(error)
        }
    }

    private func ofResponse(_ bytes: [UInt8], toHead: Bool = false) throws -> Result<BodyFraming, FramingError> {
        let head = try responseHead(bytes)
        do throws(FramingError) {
            return .success(try BodyFraming.ofResponse(head, in: bytes.span, toHeadRequest: toHead))
        } catch {
            return .failure(error)
        }
    }

    @Test("a request has no body, a length, or chunks")
    func plainRequests() throws {
        #expect(try ofRequest(requestBytes()) == .success(.none))
        #expect(try ofRequest(requestBytes("Content-Length: 0")) == .success(.length(0)))
        #expect(try ofRequest(requestBytes("content-length:  42 ")) == .success(.length(42)))
        #expect(
            try ofRequest(requestBytes("Content-Length: 999999999999999999"))
                == .success(.length(999_999_999_999_999_999)))
        #expect(try ofRequest(requestBytes("Transfer-Encoding: Chunked")) == .success(.chunked))
    }

    @Test(
        "a length is plain digits",
        arguments: [
            "", "+5", "-5", "0x5", "5 5", "5,5", "5, 6", "5;", "0x0", "00 0", "5.0", "1e3", "\u{663}",
            "1000000000000000000", "99999999999999999999999999", "0001000000000000000000",
        ])
    func invalidLengths(value: String) throws {
        #expect(try ofRequest(requestBytes("Content-Length: \(value)")) == .failure(.invalidLength))
        #expect(try ofResponse(responseBytes("Content-Length: \(value)")) == .failure(.invalidLength))
    }

    @Test(
        "leading zeros in a length are valid, however many there are",
        arguments: [
            ("0000002", 2), ("007", 7), ("00", 0), ("0000000000000000000000000000000000000010", 10),
            ("000999999999999999999", 999_999_999_999_999_999),
        ])
    func leadingZeros(value: String, length: UInt64) throws {
        #expect(try ofRequest(requestBytes("Content-Length: \(value)")) == .success(.length(length)))
        #expect(try ofResponse(responseBytes("Content-Length: \(value)")) == .success(.length(length)))
    }

    @Test("two lengths are rejected, equal ones too")
    func severalLengths() throws {
        for second in ["5", "6"] {
            let fields = ["Content-Length: 5", "X: y", "CONTENT-LENGTH: \(second)"]
            #expect(try ofRequest(requestBytes(fields[0], fields[1], fields[2])) == .failure(.severalLengths))
            #expect(try ofResponse(responseBytes(fields[0], fields[1], fields[2])) == .failure(.severalLengths))
        }
    }

    @Test("a length and chunks exclude each other in either order, with any encoding")
    func both() throws {
        let length = "Content-Length: 5"
        for encoding in ["chunked", "identity", ""] {
            let coding = "Transfer-Encoding: \(encoding)"
            #expect(try ofRequest(requestBytes(length, coding)) == .failure(.lengthAndTransferEncoding))
            #expect(try ofRequest(requestBytes(coding, length)) == .failure(.lengthAndTransferEncoding))
            #expect(try ofResponse(responseBytes(coding, length)) == .failure(.lengthAndTransferEncoding))
        }
    }

    @Test(
        "an encoding other than one plain chunked is rejected",
        arguments: [
            "", "identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "chunked,", ",chunked",
            "xchunked", "chunkedx", "\"chunked\"", "'chunked'", "chunked;q=1", "chunke", "chu nked", "chunked identity",
            "chun\u{212a}ed",
        ])
    func obfuscatedEncodings(value: String) throws {
        let field = "Transfer-Encoding: \(value)"
        #expect(try ofRequest(requestBytes(field)) == .failure(.unsupportedTransferEncoding))
        #expect(try ofResponse(responseBytes(field)) == .failure(.unsupportedTransferEncoding))
    }

    @Test("two encodings are rejected, because parsers differ")
    func severalEncodings() throws {
        for second in ["chunked", "identity", "x"] {
            let bytes = requestBytes("Transfer-Encoding: chunked", "Transfer-encoding: \(second)")
            #expect(try ofRequest(bytes) == .failure(.severalTransferEncodings))
        }
    }

    @Test("HTTP/1.0 has no chunks")
    func oldVersion() throws {
        let bytes = requestBytes("Transfer-Encoding: chunked", line: "POST / HTTP/1.0")
        #expect(try ofRequest(bytes) == .failure(.transferEncodingInHTTP10))
        let answer = responseBytes("Transfer-Encoding: chunked", line: "HTTP/1.0 200 OK")
        #expect(try ofResponse(answer) == .failure(.transferEncodingInHTTP10))
    }

    @Test(
        "names that a CGI-like backend takes for framing are rejected",
        arguments: ["Content_Length: 5", "Transfer_Encoding: chunked", "transfer_ENCODING: x", "CONTENT_LENGTH: 0"])
    func lookalikes(field: String) throws {
        #expect(try ofRequest(requestBytes(field)) == .failure(.lookalikeField))
        #expect(try ofRequest(requestBytes("Content-Length: 5", field)) == .failure(.lookalikeField))
    }

    @Test("a length beyond the limit gets 413 before anything is read")
    func limit() throws {
        let limits = BodyLimits(maximumBytes: 10)
        #expect(try ofRequest(requestBytes("Content-Length: 10"), limits: limits) == .success(.length(10)))
        #expect(try ofRequest(requestBytes("Content-Length: 11"), limits: limits) == .failure(.bodyTooLarge))
        #expect(FramingError.bodyTooLarge.status == 413)
        #expect(FramingError.invalidLength.status == 400)
    }

    @Test("a response without either field ends with its connection")
    func untilClose() throws {
        #expect(try ofResponse(responseBytes()) == .success(.untilClose))
        #expect(try ofResponse(responseBytes("Content-Length: 3")) == .success(.length(3)))
        #expect(try ofResponse(responseBytes("Transfer-Encoding: chunked")) == .success(.chunked))
    }

    /// What a response is whose fields say this, and that ends with its head.
    private func framing(_ fields: [String], _ line: String, toHead: Bool = false) throws -> ResponseFraming {
        let bytes = Array(([line] + fields + ["", ""]).joined(separator: "\r\n").utf8)
        return try ResponseFraming(of: responseHead(bytes), in: bytes.span, toHeadRequest: toHead)
    }

    private static let sound = [[], ["Content-Length: 5"], ["Content-Length: 0"], ["Transfer-Encoding: chunked"]]
    private static let unsound = [
        ["Content-Length: x"], ["Content-Length: 5", "Content-Length: 6"], ["Transfer-Encoding: gzip"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ]

    @Test("a response to HEAD and a 304 end with their head, and keep valid fields")
    func withoutBody() throws {
        for (line, toHead) in [("HTTP/1.1 200 OK", true), ("HTTP/1.1 304 ", true), ("HTTP/1.1 304 ", false)] {
            for fields in Self.sound {
                let framing = try framing(fields, line, toHead: toHead)
                #expect(framing.body == .none && framing.keepsFields && framing.isCertain, "\(line) \(fields)")
            }
            for fields in Self.unsound {
                let framing = try framing(fields, line, toHead: toHead)
                #expect(framing.body == .none && !framing.keepsFields && !framing.isCertain, "\(line) \(fields)")
            }
        }
    }

    @Test("1xx and 204 end with their head whatever their fields, and lose them", arguments: [100, 101, 103, 204])
    func noPlace(status: Int) throws {
        for fields in Self.sound + Self.unsound {
            let framing = try framing(fields, "HTTP/1.1 \(status) X")
            #expect(framing.body == .none && !framing.keepsFields, "\(fields)")
            #expect(framing.isCertain == (fields.isEmpty || fields == ["Content-Length: 0"]), "\(fields)")
        }
    }

    @Test("a response with a body keeps its fields, and its end is certain unless closing tells it")
    func withBody() throws {
        for fields in Self.sound {
            let framing = try framing(fields, "HTTP/1.1 200 OK")
            #expect(framing.keepsFields && framing.isCertain == !fields.isEmpty)
        }
        for fields in Self.unsound { #expect(throws: FramingError.self) { try framing(fields, "HTTP/1.1 200 OK") } }
    }
}
