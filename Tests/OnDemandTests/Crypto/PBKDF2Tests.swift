import Testing

@testable import OnDemand

/// Vectors with 65,536 iterations are tested in the optimised build (`Tests/EndToEnd/test_crypto.py`).
struct PBKDF2Tests {
    @Test(
        "the keys with SHA-1 are those of RFC 6070 and of Rails' key generator",
        arguments: [
            ("password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            ("password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
            (
                String(repeating: "0", count: 64), "some_salt", 2,
                "cbea7f7f47df705967dc508f4e446fd99e7797b1d70011c6899cd39bbe62907b8508337d678505a7"
                    + "dc8184e037f1003ba3d19fc5d829454668e91d2518692eae"
            ),
        ])
    func sha1(password: String, salt: String, iterations: Int, key: String) {
        let derived = PBKDF2<SHA1Core>.key(
            password: Array(password.utf8), salt: Array(salt.utf8), iterations: iterations,
            byteCount: key.utf8.count / 2)
        #expect(derived.hexadecimal == key)
    }

    @Test("the key with SHA-256 is that of RFC 7914")
    func sha256() {
        let key = PBKDF2<SHA256Core>.key(
            password: Array("passwd".utf8), salt: Array("salt".utf8), iterations: 1, byteCount: 64)
        #expect(
            key.hexadecimal
                == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645"
                + "991664b39d77ef317c71b845b1e30bd509112041d3a19783")
    }

    @Test("a key of any length is the beginning of a longer one")
    func lengths() {
        let key = { PBKDF2<SHA256Core>.key(password: [1], salt: [2], iterations: 2, byteCount: $0) }
        for count in 0...70 { #expect(key(count) == Array(key(100).prefix(count))) }
    }
}
