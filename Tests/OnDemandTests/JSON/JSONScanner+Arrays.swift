@testable import OnDemand

// A span may not stand inside an expectation, an array may.

extension JSONScanner {
    static func isValue(_ text: [UInt8]) -> Bool { isValue(text.span) }
    static func value(of text: [UInt8]) throws(JSONScanError) -> JSONSlice { try value(of: text.span) }
}

extension JSONSlice {
    func string(in text: [UInt8]) -> [UInt8]? { string(in: text.span) }
    func isString(_ expected: [UInt8], in text: [UInt8]) -> Bool { isString(expected, in: text.span) }
}
