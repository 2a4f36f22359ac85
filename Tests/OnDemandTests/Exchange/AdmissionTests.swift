import Foundation
import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello
private let upgradeRequest = ExchangeHarness.upgradeRequest

struct AdmissionTests {
    @Test("a queued client is not read from, keeps its sent bytes, and is served when its backend is ready")
    func queued() {
        var talk = ExchangeHarness(get + get, backends: .init(hello), .init(hello))
        talk.admission = .queued
        talk.run()
        #expect(talk.machine.isQueued(for: 1))
        talk.clientSends.append(Array("GET".utf8))
        talk.run()
        #expect(talk.clientSends.count == 1, "nothing is read while it waits")
        talk.admission = .open
        talk.clientSends = []
        talk.machine.admitted()
        talk.run()
        #expect(talk.client == hello + hello)
    }

    @Test("a generation that ends before the request is sent gets its lease back, and the next one is requested")
    func backendGenerationEnded() {
        let id = BackendID(index: 1)
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.admission = .connectIsSlow
        talk.run()
        #expect(talk.machine.place == .awaitingConnection)
        talk.admission = .open
        let isAskedAgain = talk.machine.backendGenerationEnded()
        #expect(isAskedAgain && talk.machine.place == .acquiringBackend)
        #expect(talk.machine.forwardedRequest?.backend == id)
        talk.run()
        let release = talk.steps.firstIndex(of: .releaseUpstream)
        let second = talk.steps.lastIndex(of: .enterGate(id))
        #expect(talk.steps.count { $0 == .enterGate(id) } == 2 && release! < second!)
        #expect(talk.client == hello && talk.leases == 0)
        let isTooLate = talk.machine.backendGenerationEnded()
        #expect(!isTooLate, "what has left may have been read")
    }

    @Test("a queued client that leaves is closed at once")
    func heldLeaves() {
        var talk = ExchangeHarness(get)
        talk.admission = .queued
        talk.run()
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientLeft)
        #expect(talk.client == "")
    }

    @Test("a rejected request gets the reason and Retry-After, and the connection can be reused")
    func refused() {
        var talk = ExchangeHarness(get)
        talk.admission = .queued
        talk.run()
        talk.machine.refused(.exitedEarly(.status(1)), retryAfter: .milliseconds(1500))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
        #expect(talk.client.contains("\r\nRetry-After: 2\r\n"))
        #expect(talk.client.hasSuffix("The service \"app\" exited before it was ready.\n"))
        #expect(talk.machine.place == .readingHead)
        talk.clientMore(get)
        #expect(talk.machine.isQueued(for: 1))
    }

    @Test(
        "wake permission depends on a request's own path, headers and upgrade",
        arguments: [
            ("GET /app/x HTTP/1.1\r\nHost: a\r\n\r\n", false), ("GET /app/go?x HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET /app/x HTTP/1.1\r\nHost: a\r\nx-wake:\r\n\r\n", true),
            (upgradeRequest.replacing("/cable", with: "/app/y"), true),
        ])
    func mayWake(request: String, expected: Bool) throws {
        let pattern = try PathPattern(parsing: "/app/*")
        let rule = WakeRule(conditions: [.upgrade, .header("X-Wake"), .path(try PathPattern(parsing: "/app/go"))])
        let service = ServiceRules(
            name: "app", targetPath: "/elsewhere", authority: "a", webSocket: true, headers: [], wakeOn: rule)
        let route = Route(pattern: pattern, destination: .backend(BackendID(index: 0)))
        var talk = ExchangeHarness(request, rules: ExchangeRules(routes: RouteTable([route]), services: [service]))
        talk.admission = .queued
        talk.run()
        #expect(talk.machine.forwardedRequest?.forwarding.mayWake == expected)
    }

    @Test("Retry-After is never zero")
    func retryAfterZero() {
        var talk = ExchangeHarness(get)
        talk.admission = .queued
        talk.run()
        talk.machine.refused(.backoff(reason: "x"), retryAfter: .milliseconds(-5))
        talk.run()
        #expect(talk.client.contains("\r\nRetry-After: 1\r\n"))
    }

    @Test("a client that is rejected before its body was read is closed")
    func refusedWithBody() {
        var talk = ExchangeHarness("POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc")
        talk.admission = .queued
        talk.run()
        talk.machine.refused(.disabled, retryAfter: nil)
        talk.run()
        #expect(talk.client.contains("Connection: close\r\n") && talk.sawEnd)
        #expect(!talk.client.contains("Retry-After"))
    }

    @Test(
        "the eager frames of a rejected upgrade are never parsed as requests",
        arguments: ["/cable", "/off", "/none"])
    func refusedUpgrade(path: String) {
        var talk = ExchangeHarness(upgradeRequest.replacing("/cable", with: path) + "\u{1}" + get)
        talk.admission = .queued
        talk.run()
        if path == "/cable" { talk.machine.refused(.shuttingDown, retryAfter: .seconds(5)) }
        talk.run()
        #expect(talk.client.hasPrefix(path == "/none" ? "HTTP/1.1 404 " : "HTTP/1.1 503 "))
        #expect(talk.sawEnd && talk.client.components(separatedBy: "HTTP/1.1 ").count == 2)
    }

    @Test("a request to a disabled service gets its response at once, without a start and without Retry-After")
    func disabled() {
        var talk = ExchangeHarness("GET /off HTTP/1.1\r\nHost: a\r\n\r\n")
        talk.run()
        #expect(
            talk.client.hasPrefix("HTTP/1.1 503 ")
                && talk.client.hasSuffix("The service \"off\" is disabled.\n"))
        #expect(!talk.client.contains("Retry-After"))
        #expect(talk.machine.place == .readingHead)
    }

    @Test("a path without a route gets 404, and the connection serves the next request")
    func notFound() {
        var talk = ExchangeHarness("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + get, backends: .init(hello))
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 404 Not Found\r\n") && talk.client.hasSuffix(hello))
    }

    @Test("the status accepts GET and HEAD; another method gets 405 with Allow")
    func status() {
        var talk = ExchangeHarness("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        talk.run()
        #expect(talk.client.hasSuffix("ok") && talk.machine.place == .readingHead)
        var post = ExchangeHarness("POST /status HTTP/1.1\r\nHost: a\r\n\r\n")
        post.run()
        #expect(post.client.hasPrefix("HTTP/1.1 405 ") && post.client.contains("\r\nAllow: GET, HEAD\r\n"))
    }

    @Test("a request without the token gets 401 and WWW-Authenticate; health and readiness need no token")
    func statusToken() throws {
        let routes: [(StaticString, StatusResource)] = [
            ("/", .page), ("/status", .snapshot), ("/metrics", .metrics), ("/healthz", .health),
            ("/readyz", .readiness),
        ]
        let token: BearerToken = try #require(BearerToken("0123456789abcdef"))
        let rules = ExchangeRules(
            routes: RouteTable(routes.map { Route(pattern: .fixed($0.0), destination: .local(.status($0.1))) }),
            services: [],
            isAboutDaemon: true, statusGuard: StatusAccessControl(token: token))
        func response(_ path: String, _ field: String = "") -> String {
            var talk = ExchangeHarness("GET \(path) HTTP/1.1\r\nHost: a\r\n\(field)\r\n", rules: rules)
            talk.run()
            #expect(talk.machine.place == .readingHead)
            return talk.client
        }
        for field in ["", "Authorization: Bearer 0123456789abcdeF\r\n", "Authorization: Basic 0123456789abcdef\r\n"] {
            let refused = response("/status", field)
            #expect(refused == response("/metrics", field))
            #expect(refused.hasPrefix("HTTP/1.1 401 Unauthorized\r\n"))
            #expect(refused.contains("\r\nWWW-Authenticate: Bearer\r\n") && !refused.contains("0123"))
        }
        #expect(response("/status", "authorization: bearer 0123456789abcdef\r\n").hasSuffix("ok"))
        for path in ["/", "/healthz", "/readyz"] { #expect(response(path).hasSuffix("ok")) }
    }

    @Test(
        "an invalid head gets its status, and the connection is closed",
        arguments: [
            ("GET /app HTTP/1.1\r\n\r\n", 400), ("GET /app HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
            ("GET /app HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
            ("POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ])
    func badRequest(request: String, status: Int) {
        var talk = ExchangeHarness(request + get)
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 \(status) "))
        #expect(talk.client.contains("Connection: close\r\n") && talk.sawEnd)
        #expect(talk.requests.isEmpty && talk.leases == 0)
    }

    @Test("a request line above the limit of the target is rejected there")
    func endlessTarget() {
        let pieces =
            [Array("GET /".utf8)] + Array(repeating: Array(repeating: UInt8(ascii: "a"), count: 4000), count: 5)
        var talk = ExchangeHarness(pieces: pieces, backends: [])
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 414 "))
    }

    @Test("a status subscriber gets snapshots as fast as it reads, and its own bytes are ignored")
    func streaming() {
        var talk = ExchangeHarness("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        talk.run()
        #expect(talk.machine.place == .streaming && talk.client == "HEAD")
        talk.clientMore(get)
        #expect(talk.machine.place == .streaming)
        let event = [UInt8](repeating: 0x61, count: 40_000)
        let kept = (talk.machine.push(event), talk.machine.push(event))
        #expect(kept == (true, false), "more than one read's worth is not kept")
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientClosed)
    }

    @Test("a client that connects and leaves without a request has no effect")
    func silentClient() {
        var talk = ExchangeHarness("")
        talk.run()
        #expect(talk.deadline == .keepAlive)
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientClosed)
    }

    @Test("a client that aborts is closed in every phase", arguments: ExchangeHarness.Admission.allCases)
    func broken(admission: ExchangeHarness.Admission) {
        var talk = ExchangeHarness(get, backends: .init(pieces: [], readsFirst: .max))
        talk.admission = admission
        talk.run()
        #expect(talk.machine.next(client: .broken, upstream: []) == .terminate(.clientReset))
    }
}
