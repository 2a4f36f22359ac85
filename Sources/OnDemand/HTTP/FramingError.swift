/// Why the framing of a body is rejected. For a backend's error the client gets 502 or a closed connection instead of
/// `status`.
enum FramingError: Error, Equatable {
    // Fields that determine the end (RFC 9112, 6).
    case severalLengths, invalidLength, lengthAndTransferEncoding
    case severalTransferEncodings, unsupportedTransferEncoding, transferEncodingInHTTP10
    case lookalikeField
    // Chunks (RFC 9112, 7.1).
    case invalidChunkSize, chunkTooLarge, invalidChunkExtension, chunkExtensionsTooLong
    case brokenChunkLine, brokenChunkEnd
    // Trailers (RFC 9112, 7.1.2).
    case invalidTrailer, forbiddenTrailer, trailersTooLarge
    case bodyTooLarge
}

extension FramingError {
    /// Status of the local reply, where no response has begun.
    var status: Int { self == .bodyTooLarge ? 413 : 400 }

    /// One sentence for the client and the log.
    var reason: String {
        switch self {
        case .severalLengths: "There is more than one Content-Length."
        case .invalidLength: "The Content-Length is not a plain number."
        case .lengthAndTransferEncoding: "Content-Length and Transfer-Encoding exclude each other."
        case .severalTransferEncodings: "There is more than one Transfer-Encoding."
        case .unsupportedTransferEncoding: "The only supported Transfer-Encoding is chunked."
        case .transferEncodingInHTTP10: "HTTP/1.0 has no Transfer-Encoding."
        case .lookalikeField: "A field name resembles Content-Length or Transfer-Encoding."
        case .invalidChunkSize: "A chunk size is not a hexadecimal number."
        case .chunkTooLarge: "A chunk size has too many digits."
        case .invalidChunkExtension: "A chunk extension contains an invalid byte."
        case .chunkExtensionsTooLong: "The chunk extensions are too long."
        case .brokenChunkLine: "A chunk size line does not end with CRLF."
        case .brokenChunkEnd: "A chunk does not end with CRLF where its size says."
        case .invalidTrailer: "A trailer field is malformed."
        case .forbiddenTrailer: "A trailer field belongs in the header."
        case .trailersTooLarge: "The trailers are too large."
        case .bodyTooLarge: "The body is too large."
        }
    }
}
