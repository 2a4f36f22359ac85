import Testing

@testable import OnDemand

struct CloseCodeTests {
    @Test("only registered and private numbers are allowed on the wire (RFC 6455, 7.4.2)")
    func validOnTheWire() {
        let valid = (UInt16.min...UInt16.max).filter { CloseCode($0).isValidOnTheWire }
        #expect(valid == Array(1000...1003) + Array(1007...1014) + Array(3000...4999))
    }
}
