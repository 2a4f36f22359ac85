import Testing

@testable import OnDemand

struct HMACTests {
    @Test("the digests are those of RFC 4231", arguments: vectors)
    private func rfc4231(vector: Vector) {
        #expect(HMAC<SHA256Core>(key: vector.key).digest(of: vector.message).bytes.hexadecimal == vector.sha256)
        #expect(HMAC<SHA384Core>(key: vector.key).digest(of: vector.message).bytes.hexadecimal == vector.sha384)
        #expect(HMAC<SHA512Core>(key: vector.key).digest(of: vector.message).bytes.hexadecimal == vector.sha512)
    }

    private struct Vector: Sendable {
        let key: [UInt8]
        let message: [UInt8]
        let sha256: String
        let sha384: String
        let sha512: String
    }

    private static func repeating(_ byte: UInt8, _ count: Int) -> [UInt8] { [UInt8](repeating: byte, count: count) }

    private static let vectors = [
        Vector(
            key: repeating(0x0b, 20), message: Array("Hi There".utf8),
            sha256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            sha384: "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f"
                + "4af152e8b2fa9cb6",
            sha512: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702"
                + "038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"),
        Vector(
            key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8),
            sha256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            sha384: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c7"
                + "8b3239ecfab21649",
            sha512: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
                + "6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"),
        Vector(
            key: repeating(0xaa, 20), message: repeating(0xdd, 50),
            sha256: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            sha384: "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b9"
                + "4e3ab6e101a34f27",
            sha512: "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c8"
                + "06b485a47e67c807b946a337bee8942674278859e13292fb"),
        Vector(
            key: (1...25).map { UInt8($0) }, message: repeating(0xcd, 50),
            sha256: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            sha384: "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679"
                + "ccf8a386c674cffb",
            sha512: "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4"
                + "d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"),
        Vector(
            key: repeating(0xaa, 131), message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            sha256: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            sha384: "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe82"
                + "96248df163f44952",
            sha512: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598"
                + "bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"),
    ]

    @Test("the digest with SHA-1 is that of RFC 2202, 3")
    func sha1() {
        let hmac = HMAC<SHA1Core>(key: Array("Jefe".utf8))
        let digest = hmac.digest(of: Array("what do ya want for nothing?".utf8))
        #expect(digest.bytes.hexadecimal == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
    }

    @Test("keys and messages of every length up to 300 bytes have the digests of Python's hmac")
    func lengths() {
        // One digest over all: hashlib.new(name, previous + hmac.new(key, message, name).digest()), from b"" on.
        #expect(Self.chain(SHA1Core.self) == "55693b6d20e57131dbd30654b107f824aa7b5e51")
        #expect(Self.chain(SHA256Core.self) == "f4ef93253c374d1d92c2533384760a9373267e0ced35e6b274f0fa696b8a6aa5")
        #expect(
            Self.chain(SHA384Core.self)
                == "ab570ddbf46ebd833a03e15a809c91fd7ee3faf1605c0e861b5305672807fa3a5750bb1d99a9c8e7"
                + "6466430c9ab2bf52")
        #expect(
            Self.chain(SHA512Core.self)
                == "0260a464eee967f5d2b0735689504fd81ebb7a4d8b54cd32334d7e2555294f7b67f1abb4603c4c5f"
                + "1b2520dc70cf258be08fe75d8b55476f315e5d6c82d0b836")
    }

    private static func chain<Core: HashCore>(_ core: Core.Type) -> String {
        var chain: [UInt8] = []
        for count in 0...300 {
            let key = (0..<count).map { UInt8(truncatingIfNeeded: count * 11 + $0 * 17) }
            let message = (0..<300 - count).map { UInt8(truncatingIfNeeded: count * 7 + $0 * 13) }
            chain = Hash<Core>.digest(chain + HMAC<Core>(key: key).digest(of: message).bytes).bytes
        }
        return chain.hexadecimal
    }

    @Test(
        "a digest equals itself in bytes and hexadecimal, and no other digest or length"
    )
    func comparison() {
        let digest = HMAC<SHA256Core>(key: Array("key".utf8)).digest(of: [1, 2, 3])
        #expect(Self.equals(digest, digest.bytes))
        #expect(Self.equals(digest, hexadecimal: Array(digest.bytes.hexadecimal.utf8)))
        #expect(!Self.equals(digest, hexadecimal: Array(digest.bytes.hexadecimal.uppercased().utf8)))
        for bit in 0..<256 {
            var other = digest.bytes
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!Self.equals(digest, other))
            #expect(!Self.equals(digest, hexadecimal: Array(other.hexadecimal.utf8)))
        }
        #expect(!Self.equals(digest, []) && !Self.equals(digest, Array(digest.bytes.dropLast())))
        #expect(!Self.equals(digest, digest.bytes + [0]) && !Self.equals(digest, hexadecimal: []))
    }

    private static func equals(_ digest: Digest, _ bytes: [UInt8]) -> Bool { digest.equals(bytes.span) }
    private static func equals(_ digest: Digest, hexadecimal: [UInt8]) -> Bool {
        digest.equals(hexadecimal: hexadecimal.span)
    }
}
