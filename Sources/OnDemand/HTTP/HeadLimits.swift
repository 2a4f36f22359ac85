/// Limits of a head; all are configurable except the static ones.
struct HeadLimits: Equatable, Sendable {
    /// Bytes of a head (431); cookies and tokens of browsers stay well below.
    var maximumHeaderBytes = 16 * 1024
    /// Fields of a head (431); real requests have 10 to 40.
    var maximumFields = 128
    /// Bytes of a URI (414); RFC 9112, 3 requires request lines of at least 8000 bytes.
    var maximumURIBytes = 8 * 1024
}

extension HeadLimits {
    /// Bytes of a method; the longest registered one has 17 (RFC 9112, 3: 501).
    static let maximumMethodBytes = 32

    /// Empty lines skipped before a request: old clients send one too many behind a body (RFC 9112, 2.2), and some also
    /// separate requests with one.
    static let maximumEmptyLines = 2

    /// Defaults for responses.
    static let ofResponse = HeadLimits(
        maximumHeaderBytes: ServiceLimits().maximumResponseHeadBytes, maximumFields: Limits.responseFields)

    /// Initial capacity for fields, enough for most heads.
    static let usualFields = 16

    /// Longest request line with a valid URI: method, two spaces, version, CRLF.
    var maximumRequestLineBytes: Int { Self.maximumMethodBytes + 1 + maximumURIBytes + 11 }
}
