import Testing

@testable import OnDemand

/// Feeds parsers in pieces and returns the result as a value, so that results can be compared.
enum Feeding {
    static func request(_ pieces: [[UInt8]], limits: HeadLimits = .init()) -> Result<RequestHead?, HeadError> {
        var parser = RequestHeadParser(limits: limits)
        var bytes: [UInt8] = []
        do throws(HeadError) {
            for piece in pieces {
                bytes += piece
                if let head = try parser.examine(bytes.span) { return .success(head) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    static func response(_ pieces: [[UInt8]], limits: HeadLimits = .init()) -> Result<ResponseHead?, HeadError> {
        var parser = ResponseHeadParser(limits: limits)
        var bytes: [UInt8] = []
        do throws(HeadError) {
            for piece in pieces {
                bytes += piece
                if let head = try parser.examine(bytes.span) { return .success(head) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }
}

/// The error of a request head that is refused, whole.
func refusal(of head: String, limits: HeadLimits = .init()) -> HeadError? {
    if case .failure(let error) = Feeding.request([Array(head.utf8)], limits: limits) { error } else { nil }
}

/// A request head with this one field besides Host.
func requestBytes(_ fields: String..., line: String = "GET / HTTP/1.1") -> [UInt8] {
    Array(([line, "Host: example.com"] + fields + ["", ""]).joined(separator: "\r\n").utf8)
}

func responseBytes(_ fields: String..., line: String = "HTTP/1.1 200 OK") -> [UInt8] {
    Array(([line] + fields + ["", ""]).joined(separator: "\r\n").utf8)
}

func requestHead(_ bytes: [UInt8]) throws -> RequestHead {
    var parser = RequestHeadParser()
    return try #require(try parser.examine(bytes.span))
}

func responseHead(_ bytes: [UInt8]) throws -> ResponseHead {
    var parser = ResponseHeadParser()
    return try #require(try parser.examine(bytes.span))
}

extension MessageHead {
    /// The first value of a field of any name, as text.
    func text(of name: String, in bytes: Span<UInt8>) -> String? {
        values(of: name, in: bytes).first.map { String(bytes, $0) }
    }
}
