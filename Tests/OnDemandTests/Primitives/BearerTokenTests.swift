import Testing

@testable import OnDemand

struct BearerTokenTests {
    private static let secret = "0123456789abcdef-._~+/=="

    private func matches(_ values: String...) throws -> Bool {
        try #require(BearerToken(Self.secret)).matches(values.map { Array($0.utf8) })
    }

    @Test("one field with the scheme in any case and the exact token is accepted")
    func named() throws {
        for scheme in ["Bearer ", "bearer ", "BEARER   "] { #expect(try matches(scheme + Self.secret)) }
    }

    @Test("no field, several, another scheme, and a wrong token are rejected")
    func notNamed() throws {
        #expect(BearerToken(Self.secret)?.matches([]) == false)
        #expect(try !matches("Bearer \(Self.secret)", "Bearer \(Self.secret)"))
        for value in ["", "Bearer", "Bearer ", "Basic \(Self.secret)", Self.secret, "Bearer\t\(Self.secret)"] {
            #expect(try !matches(value), "\(value)")
        }
        let right = Array(Self.secret.utf8)
        for position in right.indices {
            var wrong = right
            wrong[position] ^= 1
            #expect(try !matches("Bearer " + String(decoding: wrong, as: UTF8.self)), "at \(position)")
            #expect(try !matches("Bearer " + String(decoding: right[..<position], as: UTF8.self)))
        }
        #expect(try !matches("Bearer \(Self.secret)\(Self.secret)"), "longer, and right all the way")
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
            #expect(BearerToken.accessKey(key)?.matches([Array("Bearer \(key)".utf8)]) == true, "\(key)")
        }
        #expect(BearerToken.accessKey("0123456789abcde") == nil)
        #expect(BearerToken.accessKey(String(repeating: "a", count: 1025)) == nil)
        for character in [" ", "\t", "\n", "\0", "\u{7f}"] {
            #expect(BearerToken.accessKey("0123456789\(character)abcdef") == nil)
        }
    }
}
