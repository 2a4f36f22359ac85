/// Walks a chunked body (RFC 9112, 7.1) byte by byte outside the data, and in strides inside it.
///
///     chunk = size [ ";" extension ] CRLF data CRLF    last chunk = "0" [ ";" extension ] CRLF trailers CRLF
struct ChunkScanner {
    /// What the next byte must be.
    private enum Expected {
        case firstDigit, digitOrEnd, extensionName, extensionOrEnd, sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerOrEnd, trailerName, trailerValue, trailerLineFeed, lastLineFeed
        case nothing
    }

    private var expected = Expected.firstDigit
    private var size: UInt64 = 0
    private var digits = 0
    private var extensionBytes = 0
    private var totalExtensionBytes = 0
    private var contentBytes: UInt64 = 0
    private var trailerBytes = 0
    private var trailerFields = 0
    private var trailerName = TrailerName()
    private let limits: BodyLimits

    init(limits: BodyLimits) { self.limits = limits }

    var isFinished: Bool { expected == .nothing }

    /// How many of these bytes belong to the body; `note` is told which of them are its content.
    mutating func consume(_ bytes: Span<UInt8>, note: (ByteRange) -> Void) throws(FramingError) -> Int {
        var index = 0
        while index < bytes.count, expected != .nothing {
            guard expected == .data else {
                try take(bytes[index])
                index += 1
                continue
            }
            let stride = min(size, UInt64(bytes.count - index))
            note(ByteRange(index, index + Int(stride)))
            size -= stride
            index += Int(stride)
            if size == 0 { expected = .dataReturn }
        }
        return index
    }

    private mutating func take(_ byte: UInt8) throws(FramingError) {
        switch expected {
        case .firstDigit, .digitOrEnd: try takeSize(byte)
        case .extensionName, .extensionOrEnd: try takeExtension(byte)
        case .sizeLineFeed: try endSizeLine(byte)
        case .dataReturn:
            guard byte == HTTPByte.carriageReturn else { throw .brokenChunkEnd }
            expected = .dataLineFeed
        case .dataLineFeed:
            guard byte == HTTPByte.lineFeed else { throw .brokenChunkEnd }
            (expected, size, digits, extensionBytes) = (.firstDigit, 0, 0, 0)
        case .trailerOrEnd, .trailerName, .trailerValue, .trailerLineFeed: try takeTrailer(byte)
        case .lastLineFeed:
            guard byte == HTTPByte.lineFeed else { throw .invalidTrailer }
            expected = .nothing
        case .data, .nothing: preconditionFailure("\(expected) is not taken byte by byte")
        }
    }

    /// No sign, no `0x`, no whitespace: what follows the digits is `;` or CR.
    private mutating func takeSize(_ byte: UInt8) throws(FramingError) {
        if let digit = HTTPByte.hexadecimal(byte) {
            guard digits < BodyLimits.maximumChunkSizeDigits else { throw .chunkTooLarge }
            digits += 1
            size = size << 4 | UInt64(digit)
            expected = .digitOrEnd
            return
        }
        guard digits > 0 else { throw .invalidChunkSize }
        switch byte {
        case HTTPByte.carriageReturn: expected = .sizeLineFeed
        case HTTPByte.semicolon: expected = .extensionName
        // Whitespace before the extension is allowed to nobody but old servers (RFC 9112, 7.1.1).
        case HTTPByte.lineFeed: throw .brokenChunkLine
        default: throw .invalidChunkSize
        }
    }

    private mutating func takeExtension(_ byte: UInt8) throws(FramingError) {
        if byte == HTTPByte.carriageReturn, expected == .extensionOrEnd {
            expected = .sizeLineFeed
            return
        }
        // A line feed here is the end of the line for some and part of the extension for others.
        guard byte != HTTPByte.lineFeed else { throw .brokenChunkLine }
        let fits = expected == .extensionName ? HTTPByte.isToken(byte) : HTTPByte.isText(byte)
        guard fits else { throw .invalidChunkExtension }
        extensionBytes += 1
        totalExtensionBytes += 1
        guard extensionBytes <= limits.maximumExtensionBytes,
            totalExtensionBytes <= limits.maximumTotalExtensionBytes
        else { throw .chunkExtensionsTooLong }
        expected = .extensionOrEnd
    }

    private mutating func endSizeLine(_ byte: UInt8) throws(FramingError) {
        guard byte == HTTPByte.lineFeed else { throw .brokenChunkLine }
        guard size > 0 else {
            expected = .trailerOrEnd
            return
        }
        let (sum, overflow) = contentBytes.addingReportingOverflow(size)
        guard !overflow, sum <= limits.maximumBytes ?? .max else { throw .bodyTooLarge }
        contentBytes = sum
        expected = .data
    }

    /// The rules of header fields (RFC 9112, 5), and no field that may only stand in the header.
    private mutating func takeTrailer(_ byte: UInt8) throws(FramingError) {
        trailerBytes += 1
        guard trailerBytes <= limits.maximumTrailerBytes else { throw .trailersTooLarge }
        switch (expected, byte) {
        case (.trailerOrEnd, HTTPByte.carriageReturn):
            expected = .lastLineFeed
        case (.trailerOrEnd, _) where HTTPByte.isToken(byte):
            trailerFields += 1
            guard trailerFields <= limits.maximumTrailerFields else { throw .trailersTooLarge }
            trailerName = TrailerName()
            trailerName.append(byte)
            expected = .trailerName
        case (.trailerName, HTTPByte.colon):
            guard !trailerName.isForbidden else { throw .forbiddenTrailer }
            expected = .trailerValue
        case (.trailerName, _) where HTTPByte.isToken(byte):
            trailerName.append(byte)
        case (.trailerValue, HTTPByte.carriageReturn):
            expected = .trailerLineFeed
        case (.trailerValue, _) where HTTPByte.isText(byte):
            break
        case (.trailerLineFeed, HTTPByte.lineFeed):
            expected = .trailerOrEnd
        default:
            throw .invalidTrailer
        }
    }
}
