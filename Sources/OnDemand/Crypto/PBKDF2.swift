/// Keys from a secret (RFC 8018, 5.2), with HMAC as the pseudorandom function.
package enum PBKDF2<Core: HashCore> {
    package static func key(password: [UInt8], salt: [UInt8], iterations: Int, byteCount: Int) -> [UInt8] {
        precondition(iterations > 0, "a key takes one iteration at least")
        let hmac = HMAC<Core>(key: password)
        var key: [UInt8] = []
        var block: UInt32 = 0
        while key.count < byteCount {
            block += 1
            var digest = hmac.digest(of: salt + (0..<4).map { UInt8(truncatingIfNeeded: block >> (24 - 8 * $0)) })
            var sum = digest.storage
            for _ in 1..<iterations {
                digest = hmac.digest(of: digest)
                for index in 0..<digest.count { sum[index] ^= digest.storage[index] }
            }
            for index in 0..<digest.count where key.count < byteCount { key.append(sum[index]) }
        }
        return key
    }
}
