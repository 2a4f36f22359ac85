/// Results of the library's digests, line by line, for a test that compares them with another implementation: `hash
/// sha256 MESSAGE`, `hmac sha256 KEY MESSAGE`, `pbkdf2 sha1 PASSWORD SALT ITERATIONS BYTES`, `encode standard|url-safe
/// padded|bare BYTES` and `decode ...`. Bytes are hexadecimal, and `-` for none.
import OnDemand

enum Digests {
    static func answerLines() {
        while let line = readLine() {
            let words = line.split(separator: " ").map { String($0) }
            Console.say(answer(words).map(hexadecimal) ?? "invalid")
        }
    }

    private static func answer(_ words: [String]) -> [UInt8]? {
        guard words.count >= 3 else { return nil }
        let arguments = words[2...].map { $0 }
        switch words[1] {
        case "sha1": return keyed(words[0], arguments, SHA1Core.self)
        case "sha256": return keyed(words[0], arguments, SHA256Core.self)
        case "sha384": return keyed(words[0], arguments, SHA384Core.self)
        case "sha512": return keyed(words[0], arguments, SHA512Core.self)
        case "standard": return base64(words[0], .standard, arguments)
        case "url-safe": return base64(words[0], .urlSafe, arguments)
        default: return nil
        }
    }

    private static func keyed<Core: HashCore>(
        _ operation: String, _ arguments: [String], _ core: Core.Type
    ) -> [UInt8]? {
        let values = arguments.prefix(2).compactMap(bytes)
        switch (operation, values.count) {
        case ("hash", 1): return Hash<Core>.digest(values[0]).bytes
        case ("hmac", 2): return HMAC<Core>(key: values[0]).digest(of: values[1]).bytes
        case ("pbkdf2", 2):
            guard arguments.count == 4, let iterations = Int(arguments[2]), let count = Int(arguments[3]) else {
                return nil
            }
            return PBKDF2<Core>.key(password: values[0], salt: values[1], iterations: iterations, byteCount: count)
        default: return nil
        }
    }

    private static func base64(
        _ operation: String, _ alphabet: Base64.Alphabet, _ arguments: [String]
    ) -> [UInt8]? {
        guard arguments.count == 2, let value = bytes(arguments[1]) else { return nil }
        let isPadded = arguments[0] == "padded"
        if operation == "encode" { return Base64.encode(value, alphabet: alphabet, isPadded: isPadded) }
        return Base64.decode(value.span, alphabet: alphabet, padding: isPadded ? .required : .forbidden)
    }

    private static func bytes(_ text: String) -> [UInt8]? {
        if text == "-" { return [] }
        let digits = text.compactMap(\.hexDigitValue)
        guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.isEmpty ? "-" : bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
