/// Walks a chunked body (RFC 9112, 7.1) byte by byte outside the data, and in strides inside it.
///
///     chunk = size [ BWS ";" BWS extension ] CRLF data CRLF
///     last chunk = "0" [ BWS ";" BWS extension ] CRLF trailers CRLF
///
/// The output is part of the input, in the same order: the sizes without leading zeros, the data, the
/// trailer fields that may stand there. So the next parser finds one form, in which nothing can be misread.
struct ChunkScanner {
    /// The kind of the next byte.
    private enum Expected: Equatable {
        case firstDigit, digitOrEnd, extensionOrEnd, sizeLineFeed
        /// Of a client's line.
        case chunkExtension(ChunkExtension)
        /// Of a backend's, which is read leniently: a name and any text.
        case extensionName, extensionText
        case data, dataReturn, dataLineFeed
        case trailerOrEnd, trailerName, trailerColon
        case trailerValue(isKept: Bool)
        case trailerLineFeed(isKept: Bool)
        case lastLineFeed
        case nothing
    }

    /// What happens to a byte.
    private enum Change {
        case passes, stays
        /// It is forwarded behind the withheld bytes.
        case passesBehind([UInt8])
    }

    private var expected = Expected.firstDigit
    private var size: UInt64 = 0
    /// Digits of the size without leading zeros.
    private var digits = 0
    private var hasLeadingZero = false
    private var extensionBytes = 0
    private var totalExtensionBytes = 0
    private var contentBytes: UInt64 = 0
    private var trailerBytes = 0
    private var trailerFields = 0
    /// Withheld until it is complete.
    private var trailerName: [UInt8] = []
    private let limits: BodyLimits
    private let output: BodyReader.Output

    init(limits: BodyLimits, output: BodyReader.Output) { (self.limits, self.output) = (limits, output) }

    var isFinished: Bool { expected == .nothing }

    /// Returns how many bytes belong to the body; adjacent bytes are passed as one piece.
    mutating func consume(_ bytes: Span<UInt8>, pass: (BodyPiece) -> Void) throws(FramingError) -> Int {
        var run = ByteRange(0, 0)
        func keep(_ range: ByteRange) {
            if range.lower != run.upper {
                if !run.isEmpty { pass(.read(run)) }
                run = range
            } else {
                run = ByteRange(run.lower, range.upper)
            }
        }
        var index = 0
        while index < bytes.count, expected != .nothing {
            if expected == .data {
                let stride = Int(min(size, UInt64(bytes.count - index)))
                keep(ByteRange(index, index + stride))
                size -= UInt64(stride)
                index += stride
                if size == 0 { expected = .dataReturn }
                continue
            }
            switch try take(bytes[index]) {
            case .stays: break
            case _ where output == .content: break
            case .passes: keep(ByteRange(index, index + 1))
            case .passesBehind(let held):
                if !run.isEmpty { pass(.read(run)) }
                pass(.written(held))
                run = ByteRange(index, index + 1)
            }
            index += 1
        }
        if !run.isEmpty { pass(.read(run)) }
        return index
    }

    private mutating func take(_ byte: UInt8) throws(FramingError) -> Change {
        switch expected {
        case .firstDigit, .digitOrEnd: return try takeSize(byte)
        case .extensionOrEnd: return try endSize(byte)
        case .chunkExtension(let chunkExtension): return try takeExtension(byte, of: chunkExtension)
        case .extensionName, .extensionText: return try takeExtension(byte)
        case .sizeLineFeed: try endSizeLine(byte)
        case .dataReturn:
            guard byte == HTTPByte.carriageReturn else { throw .brokenChunkEnd }
            expected = .dataLineFeed
        case .dataLineFeed:
            guard byte == HTTPByte.lineFeed else { throw .brokenChunkEnd }
            (expected, size, digits, hasLeadingZero, extensionBytes) = (.firstDigit, 0, 0, false, 0)
        case .trailerOrEnd, .trailerName, .trailerColon, .trailerValue, .trailerLineFeed:
            return try takeTrailer(byte)
        case .lastLineFeed:
            guard byte == HTTPByte.lineFeed else { throw .invalidTrailer }
            expected = .nothing
        case .data, .nothing: preconditionFailure("\(expected) is not taken byte by byte")
        }
        return .passes
    }

    // MARK: Size lines

    /// Parses a size; no sign and no `0x`.
    private mutating func takeSize(_ byte: UInt8) throws(FramingError) -> Change {
        guard let digit = HTTPByte.hexadecimal(byte) else {
            guard expected == .digitOrEnd else { throw .invalidChunkSize }
            return try endSize(byte)
        }
        expected = .digitOrEnd
        guard digit > 0 || digits > 0 else {
            if hasLeadingZero { try countBesideSize(ofBody: false) }
            hasLeadingZero = true
            return .stays
        }
        guard digits < BodyLimits.maximumChunkSizeDigits else { throw .chunkTooLarge }
        digits += 1
        size = size << 4 | UInt64(digit)
        return .passes
    }

    /// Accepts blanks before an extension (RFC 9112, 7.1.1); some servers pad the line with them.
    private mutating func endSize(_ byte: UInt8) throws(FramingError) -> Change {
        switch byte {
        case HTTPByte.carriageReturn where expected == .digitOrEnd || limits.sender == .backend:
            return endLine()
        case HTTPByte.semicolon:
            expected = limits.sender == .backend ? .extensionName : .chunkExtension(ChunkExtension())
        case HTTPByte.space, HTTPByte.tab:
            try countBesideSize()
            expected = .extensionOrEnd
        case HTTPByte.lineFeed:
            throw .brokenChunkLine
        default:
            throw .invalidChunkSize
        }
        return .stays
    }

    private mutating func takeExtension(
        _ byte: UInt8, of chunkExtension: ChunkExtension
    ) throws(FramingError) -> Change {
        if byte == HTTPByte.carriageReturn, chunkExtension.isWhole { return endLine() }
        guard byte != HTTPByte.lineFeed else { throw .brokenChunkLine }
        var chunkExtension = chunkExtension
        guard chunkExtension.take(byte) else { throw .invalidChunkExtension }
        expected = .chunkExtension(chunkExtension)
        try countBesideSize()
        return .stays
    }

    private mutating func takeExtension(_ byte: UInt8) throws(FramingError) -> Change {
        switch (expected, byte) {
        case (.extensionText, HTTPByte.carriageReturn):
            return endLine()
        // Some parsers end the line here, others read it as part of the extension.
        case (_, HTTPByte.lineFeed):
            throw .brokenChunkLine
        case (.extensionName, HTTPByte.space), (.extensionName, HTTPByte.tab):
            break
        case (.extensionName, _) where HTTPByte.isToken(byte), (.extensionText, _) where HTTPByte.isText(byte):
            expected = .extensionText
        default:
            throw .invalidChunkExtension
        }
        try countBesideSize()
        return .stays
    }

    /// Writes a size of zeros as one zero.
    private mutating func endLine() -> Change {
        expected = .sizeLineFeed
        return digits == 0 ? .passesBehind([UInt8(ascii: "0")]) : .passes
    }

    /// Counts a byte of overhead; `ofBody` also counts it for all chunks.
    private mutating func countBesideSize(ofBody: Bool = true) throws(FramingError) {
        extensionBytes += 1
        if ofBody { totalExtensionBytes += 1 }
        guard extensionBytes <= limits.maximumExtensionBytes,
            totalExtensionBytes <= limits.maximumTotalExtensionBytes
        else { throw .chunkExtensionsTooLong }
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

    // MARK: Trailers

    /// Applies the rules of header fields (RFC 9112, 5), and rejects fields that belong in the header.
    private mutating func takeTrailer(_ byte: UInt8) throws(FramingError) -> Change {
        trailerBytes += 1
        guard trailerBytes <= limits.maximumTrailerBytes else { throw .trailersTooLarge }
        switch (expected, byte) {
        case (.trailerOrEnd, HTTPByte.carriageReturn):
            expected = .lastLineFeed
            return .passes
        case (.trailerOrEnd, _) where HTTPByte.isToken(byte):
            trailerFields += 1
            guard trailerFields <= limits.maximumTrailerFields else { throw .trailersTooLarge }
            trailerName = [byte]
            expected = .trailerName
            return .stays
        case (.trailerName, _) where HTTPByte.isToken(byte):
            trailerName.append(byte)
            return .stays
        case (.trailerName, HTTPByte.colon), (.trailerColon, HTTPByte.colon):
            return try endTrailerName()
        // As in a response's header (RFC 9112, 5.1).
        case (.trailerName, _) where HTTPByte.isWhitespace(byte) && limits.sender == .backend,
            (.trailerColon, _) where HTTPByte.isWhitespace(byte):
            expected = .trailerColon
            return .stays
        case (.trailerValue(let isKept), HTTPByte.carriageReturn):
            expected = .trailerLineFeed(isKept: isKept)
            return isKept ? .passes : .stays
        case (.trailerValue(let isKept), _) where HTTPByte.isText(byte):
            return isKept ? .passes : .stays
        case (.trailerLineFeed(let isKept), HTTPByte.lineFeed):
            expected = .trailerOrEnd
            return isKept ? .passes : .stays
        default:
            throw .invalidTrailer
        }
    }

    private mutating func endTrailerName() throws(FramingError) -> Change {
        defer { trailerName = [] }
        switch TrailerRule(trailerName, limits: limits) {
        case .passes:
            expected = .trailerValue(isKept: true)
            return .passesBehind(trailerName)
        case .dropped:
            expected = .trailerValue(isKept: false)
            return .stays
        case .refused:
            throw .forbiddenTrailer
        }
    }
}
