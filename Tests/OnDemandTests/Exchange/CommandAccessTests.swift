import Testing

@testable import OnDemand

/// Requests to a command and its runs: which of them are allowed.
struct CommandAccessTests {
    private static let key = "0123456789abcdef"
    private static let access = CommandAccess(key: BearerToken.accessKey(key))

    private func denial(
        _ method: String, at place: CommandAccess.Place, with fields: [String], _ access: CommandAccess = access
    ) throws -> LocalReply? {
        let lines = ["\(method) /x HTTP/1.1", "Host: app.example", "Content-Length: 2"] + fields
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return access.denial(of: place, try requestHead(bytes), in: bytes.span)
    }

    @Test("the key is needed for every method, and comes first")
    func key() throws {
        for method in ["POST", "GET", "HEAD", "DELETE", "PUT", "OPTIONS"] {
            for place in [CommandAccess.Place.command, .run] {
                #expect(try denial(method, at: place, with: [])?.status == 401)
                #expect(try denial(method, at: place, with: [])?.isWrongSecret == false)
                for wrong in [
                    "Bearer 0123456789abcdeF", "Bearer", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer ",
                ] {
                    let reply = try denial(method, at: place, with: ["Authorization: \(wrong)"])
                    #expect(reply?.status == 401 && reply?.isWrongSecret == true, "\(wrong)")
                }
                let twice = Array(repeating: "Authorization: Bearer \(Self.key)", count: 2)
                #expect(try denial(method, at: place, with: twice)?.status == 401)
                let unknown = try denial(method, at: place, with: [twice[0]], .unknown)
                #expect(unknown?.status == 401)
            }
        }
    }

    @Test("a command is started with POST, a run is asked for with GET and stopped with DELETE")
    func methods() throws {
        let fields = ["Authorization: bearer \(Self.key)"]
        #expect(try denial("POST", at: .command, with: fields) == nil)
        for method in ["GET", "HEAD", "DELETE"] { #expect(try denial(method, at: .run, with: fields) == nil) }
        for method in ["GET", "HEAD", "DELETE", "post", "PUT"] {
            let reply = try denial(method, at: .command, with: fields)
            #expect(reply?.status == 405 && reply?.fields == [.init(name: "Allow", value: "POST")])
        }
        for method in ["POST", "PATCH", "get", "OPTIONS"] {
            let reply = try denial(method, at: .run, with: fields)
            #expect(reply?.status == 405 && reply?.fields == [.init(name: "Allow", value: "GET, HEAD, DELETE")])
        }
    }
}
