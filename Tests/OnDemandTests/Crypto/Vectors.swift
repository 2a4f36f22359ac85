@testable import OnDemand

extension [UInt8] {
    /// As digests are written in standards: lower case, no separators.
    var hexadecimal: String {
        String(decoding: flatMap { [HexDigit.digit(for: $0 >> 4), HexDigit.digit(for: $0 & 0xf)] }, as: UTF8.self)
    }
}
