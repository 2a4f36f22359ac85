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

    /// How a response's body ends. Without a place for a body it ends with its head, whatever its fields say (RFC 9112,
    /// 6.3, rule 1).
    static func ofResponse(
        _ head: ResponseHead, in bytes: Span<UInt8>, toHeadRequest: Bool
    ) throws(FramingError) -> BodyFraming {
        guard head.mayHaveBody(toHeadRequest: toHeadRequest) else { return .none }
        return try declared(by: head, in: bytes) ?? .untilClose
    }

    /// What the fields say; nil when they say nothing.
    fileprivate static func declared(
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

    /// Digits only, no sign. Leading zeros are valid and go no further, because some take them for octal.
    private static func decimal(_ range: ByteRange, in bytes: Span<UInt8>) throws(FramingError) -> UInt64 {
        let digits = bytes.withoutLeadingZeros(range)
        guard !digits.isEmpty, digits.count <= BodyLimits.maximumLengthDigits else { throw .invalidLength }
        var number: UInt64 = 0
        for index in digits.indices {
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

extension ResponseHead {
    /// Whether a body can follow: not behind 1xx, 204 and 304, and never in a response to HEAD (RFC 9112, 6.3).
    func mayHaveBody(toHeadRequest: Bool) -> Bool { status >= 200 && status != 204 && status != 304 && !toHeadRequest }
}

/// How a response ends, and what may be made of the fields that say so.
struct ResponseFraming: Equatable, Sendable {
    let body: BodyFraming
    /// `Content-Length` and `Transfer-Encoding` go on to the client. Behind 1xx and 204 they have no place (RFC 9110,
    /// 8.6; RFC 9112, 6.1); with 304 and HEAD they tell what a GET would have brought, where they are sound.
    let keepsFields: Bool
    /// Nothing hints that the backend means another end: what follows on the connection is the next response.
    let isCertain: Bool

    init(of head: ResponseHead, in bytes: Span<UInt8>, toHeadRequest: Bool) throws(FramingError) {
        body = try BodyFraming.ofResponse(head, in: bytes, toHeadRequest: toHeadRequest)
        guard !head.mayHaveBody(toHeadRequest: toHeadRequest) else {
            (keepsFields, isCertain) = (true, body != .untilClose)
            return
        }
        do throws(FramingError) {
            let declared = try BodyFraming.declared(by: head, in: bytes)
            keepsFields = head.status >= 200 && head.status != 204
            // A length of zero is common and harmless.
            isCertain = keepsFields || declared == nil || declared == .length(0)
        } catch {
            (keepsFields, isCertain) = (false, false)
        }
    }
}
