import Testing

@testable import OnDemand

struct BearerTokenTests {
    private static let secret = "0123456789abcdef-._~+/=="

    private func isNamed(by values: String...) throws -> Bool {
        try #require(BearerToken(Self.secret)).isNamed(by: values.map { Array($0.utf8) })
    }

    @Test("one field with the scheme in any case and the exact token is accepted")
    func named() throws {
        for scheme in ["Bearer ", "bearer ", "BEARER   "] { #expect(try isNamed(by: scheme + Self.secret)) }
    }

    @Test("no field, several, another scheme, and a wrong token are rejected")
    func notNamed() throws {
        #expect(BearerToken(Self.secret)?.isNamed(by: []) == false)
        #expect(try !isNamed(by: "Bearer \(Self.secret)", "Bearer \(Self.secret)"))
        for value in ["", "Bearer", "Bearer ", "Basic \(Self.secret)", Self.secret, "Bearer\t\(Self.secret)"] {
            #expect(try !isNamed(by: value), "\(value)")
        }
        let right = Array(Self.secret.utf8)
        for position in right.indices {
            var wrong = right
            wrong[position] ^= 1
            #expect(try !isNamed(by: "Bearer " + String(decoding: wrong, as: UTF8.self)), "at \(position)")
            #expect(try !isNamed(by: "Bearer " + String(decoding: right[..<position], as: UTF8.self)))
        }
        #expect(try !isNamed(by: "Bearer \(Self.secret)\(Self.secret)"), "longer, and right all the way")
    }

    @Test("a token has a minimum and a maximum length, and safe characters")
    func spelling() {
        let long = String(repeating: "a", count: 256)
        #expect(BearerToken(String(long.prefix(16))) != nil && BearerToken(long) != nil)
        #expect(BearerToken(String(long.prefix(15))) == nil && BearerToken(long + "a") == nil)
        for character in [" ", "\"", ",", "é", "\n", ":"] { #expect(BearerToken(long.dropLast(9) + character) == nil) }
    }

    @Test("a broadcast key has any bytes of one word, and at least 16")
    func broadcastKeys() {
        for key in ["0123456789abcdef", "schlüssel!{}\"16", String(repeating: "a", count: 1024)] {
            #expect(BearerToken.broadcastKey(key)?.isNamed(by: [Array("Bearer \(key)".utf8)]) == true, "\(key)")
        }
        #expect(BearerToken.broadcastKey("0123456789abcde") == nil)
        #expect(BearerToken.broadcastKey(String(repeating: "a", count: 1025)) == nil)
        for character in [" ", "\t", "\n", "\0", "\u{7f}"] {
            #expect(BearerToken.broadcastKey("0123456789\(character)abcdef") == nil)
        }
    }
}
