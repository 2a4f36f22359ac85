/// How the end of a message body is told (RFC 9112, 6.3), refusing all that could be told in two ways.
enum BodyFraming: Equatable, Sendable {
    case none
    case length(UInt64)
    case chunked
    /// The backend's answer ends when it closes.
    case untilClose

    /// How a request's body ends. Anything doubtful is refused: the bytes after it would be the next request.
    static func ofRequest(
        _ head: RequestHead, in bytes: Span<UInt8>, limits: BodyLimits = .init()
    ) throws(FramingError) -> BodyFraming {
        // Rack and CGI read `Content_Length` as `Content-Length`; a proxy that does not would be tricked.
        for field in head.fields where isLookalike(field) { throw .lookalikeField }
        let framing = try declared(by: head, in: bytes) ?? .none
        if case .length(let length) = framing, let maximum = limits.maximumBytes, length > maximum {
            throw .bodyTooLarge
        }
        return framing
    }

    /// How an answer's body ends; its fields must be sound even where they do not count.
    static func ofResponse(
        _ head: ResponseHead, in bytes: Span<UInt8>, toHeadRequest: Bool
    ) throws(FramingError) -> BodyFraming {
        let framing = try declared(by: head, in: bytes)
        if head.status < 200 || head.status == 204 {
            // Neither field may be there (RFC 9110, 8.6; RFC 9112, 6.1). A length of zero is common and harmless.
            guard framing == nil || framing == .length(0) else { throw .bodyWithoutPlace(status: head.status) }
            return .none
        }
        // Here they tell what a GET would have brought (RFC 9110, 8.6).
        if toHeadRequest || head.status == 304 { return .none }
        return framing ?? .untilClose
    }

    /// What the fields say; nil when they say nothing.
    private static func declared(
        by head: some MessageHead, in bytes: Span<UInt8>
    ) throws(FramingError) -> BodyFraming? {
        let lengths = head.values(of: .contentLength)
        let encodings = head.values(of: .transferEncoding)
        if let encoding = encodings.first {
            // The recipient of both may choose, so two recipients may choose differently (RFC 9112, 6.3).
            guard lengths.isEmpty else { throw .lengthAndTransferEncoding }
            guard head.version == .http11 else { throw .transferEncodingInHTTP10 }  // RFC 9112, 6.1
            guard encodings.count == 1 else { throw .severalTransferEncodings }
            guard bytes.equals("chunked", in: encoding) else { throw .unsupportedTransferEncoding }
            return .chunked
        }
        guard let length = lengths.first else { return nil }
        // Equal ones could be merged (RFC 9110, 8.6), but fields travel as they came: the next parser would have
        // to be as kind. Lists such as `5, 5` fail as numbers for the same reason.
        guard lengths.count == 1 else { throw .severalLengths }
        return .length(try decimal(length, in: bytes))
    }

    /// Digits only, no sign; and no leading zero, which some take for octal.
    private static func decimal(_ range: ByteRange, in bytes: Span<UInt8>) throws(FramingError) -> UInt64 {
        guard !range.isEmpty, range.count <= BodyLimits.maximumLengthDigits,
            range.count == 1 || bytes[range.lower] != UInt8(ascii: "0")
        else { throw .invalidLength }
        var number: UInt64 = 0
        for index in range.indices {
            guard HTTPByte.isDigit(bytes[index]) else { throw .invalidLength }
            number = number * 10 + UInt64(bytes[index] - 0x30)
        }
        return number
    }

    private static func isLookalike(_ field: HeaderField) -> Bool {
        switch field.resembled {
        case .contentLength, .transferEncoding: field.known == .other
        default: false
        }
    }
}
