/// How the end of a body is determined (RFC 9112, 6.3); ambiguous framing is rejected.
enum BodyFraming: Equatable, Sendable {
    case none
    case length(UInt64)
    case chunked
    /// The backend's response ends when the connection closes.
    case untilClose

    /// Returns the framing of a request's body. Ambiguous framing is rejected: the bytes behind it would be the next
    /// request.
    static func ofRequest(
        _ head: RequestHead, in bytes: Span<UInt8>, limits: BodyLimits = .init()
    ) throws(FramingError) -> BodyFraming {
        // Rack and CGI read `Content_Length` as `Content-Length`; other proxies do not, which allows smuggling.
        for field in head.fields where isLookalike(field) { throw .lookalikeField }
        let framing = try declared(by: head, in: bytes) ?? .none
        guard limits.admit(framing) else { throw .bodyTooLarge }
        return framing
    }

    /// Returns the framing of a response's body. A response that cannot have a body ends with its head, whatever its
    /// fields say (RFC 9112, 6.3, rule 1).
    static func ofResponse(
        _ head: ResponseHead, in bytes: Span<UInt8>, toHeadRequest: Bool
    ) throws(FramingError) -> BodyFraming {
        guard head.mayHaveBody(toHeadRequest: toHeadRequest) else { return .none }
        return try declared(by: head, in: bytes) ?? .untilClose
    }

    /// Returns the framing that the fields declare; nil without such fields.
    fileprivate static func declared(
        by head: some MessageHead, in bytes: Span<UInt8>
    ) throws(FramingError) -> BodyFraming? {
        let lengths = head.values(of: .contentLength)
        let encodings = head.values(of: .transferEncoding)
        if let encoding = encodings.first {
            // Recipients may choose either, so two recipients may choose differently (RFC 9112, 6.3).
            guard lengths.isEmpty else { throw .lengthAndTransferEncoding }
            guard head.version == .http11 else { throw .transferEncodingInHTTP10 }  // RFC 9112, 6.1
            guard encodings.count == 1 else { throw .severalTransferEncodings }
            guard bytes.equals("chunked", in: encoding) else { throw .unsupportedTransferEncoding }
            return .chunked
        }
        guard let length = lengths.first else { return nil }
        // Equal values may be merged (RFC 9110, 8.6), but fields are forwarded unchanged and the next parser may
        // differ. Lists such as `5, 5` fail as numbers for the same reason.
        guard lengths.count == 1 else { throw .severalLengths }
        return .length(try decimal(length, in: bytes))
    }

    /// Parses digits without a sign. Leading zeros are valid but removed, because some parsers read them as octal.
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
    /// Returns whether a body can follow: not behind 1xx, 204 and 304, nor in a response to HEAD (RFC 9112, 6.3).
    func mayHaveBody(toHeadRequest: Bool) -> Bool { status >= 200 && status != 204 && status != 304 && !toHeadRequest }
}

/// How a response ends, and what happens to the fields that say so.
struct ResponseFraming: Equatable, Sendable {
    let body: BodyFraming
    /// Whether `Content-Length` and `Transfer-Encoding` are forwarded. They are not allowed with 1xx and 204 (RFC 9110,
    /// 8.6; RFC 9112, 6.1). With 304 and HEAD they describe the response to a GET, if they are valid.
    let keepsFields: Bool
    /// Whether the framing is unambiguous, so that the following bytes are the next response.
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
