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
            "", "+5", "-5", "0x5", "5 5", "5,5", "5, 6", "5;", "007", "00", "5.0", "1e3", "\u{663}",
            "1000000000000000000", "99999999999999999999999999",
        ])
    func invalidLengths(value: String) throws {
        #expect(try ofRequest(requestBytes("Content-Length: \(value)")) == .failure(.invalidLength))
        #expect(try ofResponse(responseBytes("Content-Length: \(value)")) == .failure(.invalidLength))
    }

    @Test("two lengths are refused, equal ones too")
    func severalLengths() throws {
        for second in ["5", "6"] {
            let fields = ["Content-Length: 5", "X: y", "CONTENT-LENGTH: \(second)"]
            #expect(try ofRequest(requestBytes(fields[0], fields[1], fields[2])) == .failure(.severalLengths))
            #expect(try ofResponse(responseBytes(fields[0], fields[1], fields[2])) == .failure(.severalLengths))
        }
    }

    @Test("a length and chunks exclude each other in either order, whatever the encoding says")
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
        "an encoding other than one plain chunked is refused",
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

    @Test("two encodings are refused: each parser would choose its own")
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
        "names that a CGI-like backend takes for framing are refused",
        arguments: ["Content_Length: 5", "Transfer_Encoding: chunked", "transfer_ENCODING: x", "CONTENT_LENGTH: 0"])
    func lookalikes(field: String) throws {
        #expect(try ofRequest(requestBytes(field)) == .failure(.lookalikeField))
        #expect(try ofRequest(requestBytes("Content-Length: 5", field)) == .failure(.lookalikeField))
    }

    @Test("a length beyond the limit is told 413 before anything is read")
    func limit() throws {
        let limits = BodyLimits(maximumBytes: 10)
        #expect(try ofRequest(requestBytes("Content-Length: 10"), limits: limits) == .success(.length(10)))
        #expect(try ofRequest(requestBytes("Content-Length: 11"), limits: limits) == .failure(.bodyTooLarge))
        #expect(FramingError.bodyTooLarge.status == 413)
        #expect(FramingError.invalidLength.status == 400)
        #expect(FramingError.bodyWithoutPlace(status: 204).reason == "An answer with status 204 cannot have a body.")
    }

    @Test("an answer without either field ends when the backend closes")
    func untilClose() throws {
        #expect(try ofResponse(responseBytes()) == .success(.untilClose))
        #expect(try ofResponse(responseBytes("Content-Length: 3")) == .success(.length(3)))
        #expect(try ofResponse(responseBytes("Transfer-Encoding: chunked")) == .success(.chunked))
    }

    @Test("answers to HEAD and 304 have no body, but their fields must be sound")
    func withoutBody() throws {
        for line in ["HTTP/1.1 200 OK", "HTTP/1.1 304 Not Modified"] {
            #expect(try ofResponse(responseBytes("Content-Length: 5", line: line), toHead: true) == .success(.none))
            #expect(try ofResponse(responseBytes(line: line), toHead: true) == .success(.none))
            let chunked = responseBytes("Transfer-Encoding: chunked", line: line)
            #expect(try ofResponse(chunked, toHead: true) == .success(.none))
            let odd = responseBytes("Content-Length: x", line: line)
            #expect(try ofResponse(odd, toHead: true) == .failure(.invalidLength))
        }
        #expect(try ofResponse(responseBytes("Content-Length: 5", line: "HTTP/1.1 304 ")) == .success(.none))
    }

    @Test("204 and 1xx cannot announce a body", arguments: [100, 101, 103, 204])
    func noPlace(status: Int) throws {
        let line = "HTTP/1.1 \(status) X"
        #expect(try ofResponse(responseBytes(line: line)) == .success(.none))
        #expect(try ofResponse(responseBytes("Content-Length: 0", line: line)) == .success(.none))
        let announced = FramingError.bodyWithoutPlace(status: status)
        #expect(try ofResponse(responseBytes("Content-Length: 5", line: line)) == .failure(announced))
        #expect(try ofResponse(responseBytes("Transfer-Encoding: chunked", line: line)) == .failure(announced))
    }
}
