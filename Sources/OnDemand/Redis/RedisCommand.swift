/// Writes commands for a Redis server: arrays of strings, so that names and messages may hold any bytes.
enum RedisCommand {
    static func append(_ words: [[UInt8]], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "*"))
        output.appendDecimal(words.count)
        output += lineEnd
        for word in words { append(word: word, to: &output) }
    }

    /// The same for a command whose arguments are text.
    static func append(_ words: String..., to output: inout [UInt8]) {
        append(words.map { Array($0.utf8) }, to: &output)
    }

    private static func append(word: [UInt8], to output: inout [UInt8]) {
        output.append(UInt8(ascii: "$"))
        output.appendDecimal(word.count)
        output += lineEnd
        output += word
        output += lineEnd
    }

    private static let lineEnd: [UInt8] = [0x0d, 0x0a]
}
