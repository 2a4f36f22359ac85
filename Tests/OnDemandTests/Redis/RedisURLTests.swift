import Testing

@testable import OnDemand

struct RedisURLTests {
    @Test(
        "a URL has an address, and optionally a user, a password and a database",
        arguments: [
            ("redis://127.0.0.1", "127.0.0.1:6379", nil, nil, 0),
            ("redis://127.0.0.1:6380/", "127.0.0.1:6380", nil, nil, 0),
            ("redis://localhost:6379/15", "127.0.0.1:6379", nil, nil, 15),
            ("redis://[::1]/2", "[::1]:6379", nil, nil, 2), ("redis://[fd00::7]:7000", "[fd00::7]:7000", nil, nil, 0),
            ("redis://:secret@10.0.0.1:6379/0", "10.0.0.1:6379", nil, "secret", 0),
            ("redis://app:secret@10.0.0.1", "10.0.0.1:6379", "app", "secret", 0),
            ("redis://a%40b:p%2Fw%25%00@10.0.0.1", "10.0.0.1:6379", "a@b", "p/w%\0", 0),
            ("redis://app:p@ss:word@[::1]", "[::1]:6379", "app", "p@ss:word", 0),
            ("unix:///run/redis/redis.sock", "unix:/run/redis/redis.sock", nil, nil, 0),
            ("unix:///run/a%20b%3f.sock?db=3", "unix:/run/a b?.sock", nil, nil, 3),
            ("unix://:secret@/run/redis.sock", "unix:/run/redis.sock", nil, "secret", 0),
            ("unix://app:secret@/run/x@y.sock", "unix:/run/x@y.sock", "app", "secret", 0),
        ] as [(String, String, String?, String?, Int)])
    func read(text: String, address: String, user: String?, password: String?, database: Int) throws {
        let url = try RedisURL(text)
        #expect("\(url.address)" == address)
        #expect(url.user == user.map { Array($0.utf8) } && url.password == password.map { Array($0.utf8) })
        #expect(url.database == database)
    }

    @Test(
        "an invalid URL has its error",
        arguments: [
            ("", .unknownScheme), ("127.0.0.1:6379", .unknownScheme), ("http://127.0.0.1", .unknownScheme),
            ("REDIS://127.0.0.1", .unknownScheme), ("redis:/127.0.0.1", .unknownScheme),
            ("unix:/run/redis.sock", .unknownScheme), ("rediss://127.0.0.1:6379", .encrypted),
            ("redis://", .missingHost), ("redis://:6379", .missingHost), ("redis:///0", .missingHost),
            ("redis://redis.example.org:6379", .hostName("redis.example.org")),
            ("redis://127.0.0.256", .hostName("127.0.0.256")), ("redis://[::1", .invalidIPv6),
            ("redis://[fe80::1%25eth0]", .invalidIPv6), ("redis://[]:1", .invalidIPv6),
            ("redis://127.0.0.1:", .invalidPort), ("redis://127.0.0.1:0", .invalidPort),
            ("redis://127.0.0.1:65536", .invalidPort), ("redis://127.0.0.1:x", .invalidPort),
            ("redis://[::1]6379", .invalidPort), ("redis://::1", .invalidIPv6), ("redis://fe80::1:6379", .invalidIPv6),
            ("redis://127.0.0.1/x", .invalidDatabase), ("redis://127.0.0.1/-1", .invalidDatabase),
            ("redis://127.0.0.1/0/1", .invalidDatabase), ("redis://127.0.0.1/9999999999", .invalidDatabase),
            ("redis://127.0.0.1?db=1", .query), ("redis://127.0.0.1/0#x", .query),
            ("redis://app@127.0.0.1", .missingPassword), ("redis://app:@127.0.0.1", .missingPassword),
            ("redis://:@127.0.0.1", .missingPassword), ("redis://:p%2@127.0.0.1", .percentEncoding),
            ("redis://:p%zz@127.0.0.1", .percentEncoding), ("redis://:p/w@127.0.0.1", .bareSlash),
            ("redis://secret/w@127.0.0.1", .bareSlash), ("unix://run/redis.sock", .relativePath),
            ("unix://", .relativePath), ("unix:///", .invalidPath), ("unix:///a%00b", .invalidPath),
            ("unix:///a%0ab", .invalidPath), ("unix:///a%ff", .invalidPath), ("unix:///a?db=x", .invalidDatabase),
            ("unix:///a?db=", .invalidDatabase), ("unix:///a?x=1", .query), ("unix:///a?", .query),
            ("unix:///" + String(repeating: "a", count: 107), .longPath),
        ] as [(String, RedisURLError)])
    func errors(text: String, expected: RedisURLError) {
        let error = #expect(throws: RedisURLError.self) { try RedisURL(text) }
        #expect(error == expected)
        #expect(error?.sentence.isEmpty == false)
        #expect(error?.sentence.contains("secret") == false)
    }

    @Test("TLS is rejected with the alternative")
    func encrypted() {
        let error = #expect(throws: RedisURLError.self) { try RedisURL("rediss://:secret@127.0.0.1") }
        #expect(error?.sentence.contains("TLS (rediss://) is not supported") == true)
    }

    @Test("a description has neither user nor password")
    func description() throws {
        #expect("\(try RedisURL("redis://app:secret@[::1]:7000/3"))" == "redis://[::1]:7000/3")
        #expect("\(try RedisURL("unix://app:secret@/run/redis.sock?db=3"))" == "unix:///run/redis.sock?db=3")
        #expect("\(try RedisURL("unix:///run/redis.sock"))" == "unix:///run/redis.sock")
    }

    @Test(
        "a URL is printed without its password",
        arguments: [
            ("redis://app:secret@[::1]:7000/3", "redis://app:***@[::1]:7000/3"),
            ("redis://:secret@127.0.0.1", "redis://:***@127.0.0.1"),
            ("redis://:se:cr@et@127.0.0.1", "redis://:***@127.0.0.1"), ("redis://[::1]:7000", "redis://[::1]:7000"),
            ("unix://app:secret@/run/a@b:c.sock?db=3", "unix://app:***@/run/a@b:c.sock?db=3"),
            ("unix:///run/a:b@c.sock", "unix:///run/a:b@c.sock"), ("secret", "***"),
        ])
    func hiding(text: String, shown: String) { #expect(RedisURL.hidingPassword(in: text) == shown) }
}
