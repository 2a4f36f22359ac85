import Testing

@testable import OnDemand

struct HTTPByteTests {
    @Test("a token is made of letters, digits and fifteen signs")
    func tokens() {
        let signs = "!#$%&'*+-.^_`|~".utf8
        for byte in UInt8.min ... .max {
            let isToken = HTTPByte.isLetter(byte) || HTTPByte.isDigit(byte) || signs.contains(byte)
            #expect(HTTPByte.isToken(byte) == isToken, "\(byte)")
        }
    }

    @Test("letters are ASCII's, and only they have a lower case")
    func letters() {
        for byte in UInt8.min ... .max {
            let scalar = Unicode.Scalar(byte)
            #expect(HTTPByte.isLetter(byte) == (("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)))
            #expect(HTTPByte.lowercased(byte) == (("A"..."Z").contains(scalar) ? byte + 32 : byte))
        }
    }
}
