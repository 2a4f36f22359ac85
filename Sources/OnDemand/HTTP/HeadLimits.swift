/// How much head a peer may send before it is refused: every bound here can be configured.
struct HeadLimits: Equatable, Sendable {
    /// Cookies and tokens of real browsers stay well below; a flood is refused early (431).
    var maximumHeaderBytes = 16 * 1024
    /// Real requests carry ten to forty fields (431).
    var maximumFields = 128
    /// RFC 9112, 3 asks for at least 8000 bytes of request line (414).
    var maximumURIBytes = 8 * 1024
}

extension HeadLimits {
    /// The longest registered method has 17 bytes; a longer one than this is nobody's (RFC 9112, 3: 501).
    static let maximumMethodBytes = 32

    /// Empty lines before a request that are passed over: old clients end a body with one too many (RFC 9112, 2.2), and
    /// two of them meet where such a client also separates its requests with one.
    static let maximumEmptyLines = 2

    /// Of a response, where its service says nothing else.
    static let ofResponse = HeadLimits(
        maximumHeaderBytes: ServiceLimits().maximumResponseHeadBytes, maximumFields: Limits.responseFields)

    /// Room for the fields of most heads, made at once instead of in five steps.
    static let usualFields = 16

    /// A request line longer than this cannot hold a target within bounds: method, two spaces, version, CRLF.
    var maximumRequestLineBytes: Int { Self.maximumMethodBytes + 1 + maximumURIBytes + 11 }
}
