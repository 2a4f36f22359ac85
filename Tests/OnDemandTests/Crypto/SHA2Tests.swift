import Testing

@testable import OnDemand

struct SHA2Tests {
    @Test(
        "the digests of SHA-256 are those of FIPS 180-4",
        arguments: [
            ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
            ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("a", 1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"),
        ])
    func sha256(text: String, count: Int, digest: String) {
        #expect(SHA256.digest(Array(String(repeating: text, count: count).utf8)).bytes.hexadecimal == digest)
    }

    @Test(
        "the digests of SHA-384 are those of FIPS 180-4",
        arguments: [
            (
                "abc",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc23"
                    + "58baeca134c825a7"
            ),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db9"
                    + "66c3e9fa91746039"
            ),
            (
                "",
                "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fb"
                    + "d51ad2f14898b95b"
            ),
        ])
    func sha384(text: String, digest: String) {
        #expect(SHA384.digest(Array(text.utf8)).bytes.hexadecimal == digest)
    }

    @Test(
        "the digests of SHA-512 are those of FIPS 180-4",
        arguments: [
            (
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
                    + "36ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
            ),
            (
                "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4"
                    + "331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"
            ),
            (
                "",
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0"
                    + "ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
            ),
        ])
    func sha512(text: String, digest: String) {
        #expect(SHA512.digest(Array(text.utf8)).bytes.hexadecimal == digest)
    }

    @Test("messages of every length up to 300 bytes, in any pieces, have the digests of hashlib")
    func lengths() {
        // One digest over all of them: hashlib.new(name, previous + hashlib.new(name, message).digest()), from b"" on.
        #expect(Self.chain(SHA1.self) == "e339200166e0242369e487d9deca2132ddfeb1c9")
        #expect(Self.chain(SHA256.self) == "e08a1f325ed441317e0b9112fe5a8e47e7b47ecd07f440169c4c4db44bd867fa")
        #expect(
            Self.chain(SHA384.self)
                == "1c0daa2d02af59a06e4ef937d9c711fb075d4af9880df9f77d1f23a41dd040b80c17e0cad11a651a"
                + "62796ca6ce808263")
        #expect(
            Self.chain(SHA512.self)
                == "34c05446d27a314cb7dc5c5447aaf9513ff950d388c0b324efaf6e31a7122bbf639ced56d13131c3"
                + "5a1b83cc9becaaa8d6cdcd164ebc9566e17648727a45d2f0")
    }

    private static func chain<Core>(_ function: Hash<Core>.Type) -> String {
        var chain: [UInt8] = []
        for count in 0...300 {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: count * 7 + $0 * 13) }
            let digest = Hash<Core>.digest(message)
            var pieces = Hash<Core>()
            var begin = 0
            while begin < count {
                let end = min(begin + 1 + (begin * 31 + count) % 97, count)
                pieces.append(message.span.extracting(begin..<end))
                begin = end
            }
            #expect(pieces.finish() == digest, "\(count) bytes in pieces")
            chain = Hash<Core>.digest(chain + digest.bytes).bytes
        }
        return chain.hexadecimal
    }
}
