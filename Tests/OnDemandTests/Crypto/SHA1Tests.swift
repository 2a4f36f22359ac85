import Testing

@testable import OnDemand

struct SHA1Tests {
    @Test(
        "the digests are those of RFC 3174, 7.3",
        arguments: [
            ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
            ),
            ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            ("01234567", 80, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
            ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ])
    func digests(text: String, count: Int, digest: String) {
        let message = Array(String(repeating: text, count: count).utf8)
        #expect(SHA1.digest(message).bytes.hexadecimal == digest)
    }

    @Test("every length around the padding gives a digest of its own")
    func padding() {
        let digests = (0...130).map { SHA1.digest([UInt8](repeating: 0, count: $0)).bytes }
        #expect(digests.allSatisfy { $0.count == 20 })
        #expect(Set(digests).count == digests.count)
    }
}
