import Testing

@testable import OnDemand

struct DemoCommandTests {
    private let page = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 9292)

    private func role(_ words: String...) -> DemoCommand.Role? {
        guard case .command(let command) = DemoCommand.read(["demo"] + words) else { return nil }
        return command.role
    }

    @Test("the demo uses its documented addresses, and options change either")
    func addresses() {
        let clients = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)
        let other = SocketAddress.ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 4000)
        #expect(role() == .show(listen: clients, status: page))
        #expect(role("--listen", "[::1]:4000") == .show(listen: other, status: page))
        #expect(role("--listen=localhost:3000", "--status=[::1]:4000") == .show(listen: clients, status: other))
        #expect(role("--as-backend", "8123") == .backend(port: 8123))
        #expect(DemoCommand.read(["check"]) == nil && DemoCommand.read([]) == nil)
    }

    @Test(
        "an invalid argument has an error text, with the usage, and exits with 64",
        arguments: [
            (["now"], "unknown argument now"), (["--listen"], "--listen needs an address"),
            (["--listen", "127.0.0.1"], "--listen: \"127.0.0.1\" has no port"),
            (["--status", "0.0.0.0:80"], "--status: \"0.0.0.0:80\" is not an address to connect to"),
            (["--status", "10.0.0.1:80"], "--status needs an address of this machine, such as 127.0.0.1:8080"),
            (["--listen", "unix:/tmp/a.sock"], "--listen needs an address of this machine, such as 127.0.0.1:8080"),
            (["--listen", "127.0.0.1:9292"], "--listen and --status need an address each"),
            (["--as-backend", "0"], "--as-backend needs a port, 1 to 65535"),
            (["--as-backend"], "--as-backend needs a port"),
        ])
    func mistakes(words: [String], sentence: String) throws {
        let run = try Executable(["demo"] + words)
        #expect(run.status == 64 && run.output.isEmpty)
        #expect(run.errors.hasPrefix("ondemandd: \(sentence)"), "\(run.errors)")
        #expect(run.errors.contains("\n\nUsage: ondemandd demo "))
    }

    @Test("the demo has a help text, and is in the list of commands")
    func help() throws {
        let run = try Executable("demo", "--help")
        #expect(run.status == 0 && run.errors.isEmpty && run.output.hasPrefix("Usage: ondemandd demo "))
        #expect(run.output.contains("127.0.0.1:3000") && run.output.contains("127.0.0.1:9292"))
        #expect(try Executable("--help").output.contains("\n  demo "))
    }

    @Test("the documented times are those of the demo")
    func times() throws {
        let show = DemoSetup(executable: "/a", listen: page, status: page)
        #expect(show.introduction.contains("takes 1.5 seconds") && Limits.demoStartup == .milliseconds(1500))
        #expect(show.introduction.contains("Eight seconds") && show.configuration.contains("\"idle_timeout\": \"8s\""))
    }

    @Test("the demo's configuration is valid, whatever the path of the executable")
    func configuration() throws {
        let listen = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000)
        for path in ["/usr/bin/ondemandd", "/tmp/a \"b\"/${HOME}/{port}/ondemandd"] {
            let show = DemoSetup(executable: path, listen: listen, status: page)
            let configuration = try Configuration.read(Array(show.configuration.utf8), environment: [:])
            #expect(configuration.services.first?.launch?.command == path)
            #expect(show.introduction.contains("http://127.0.0.1:9292/ ") && !show.introduction.contains("${"))
            let cable = try #require(configuration.cables.first)
            #expect(cable.paths.map(\.text) == [DemoPage.cablePath] && cable.turboCable)
            #expect(cable.broadcast?.path?.text == DemoPage.broadcastPath && cable.broadcast?.key == nil)
            #expect(show.introduction.contains("http://127.0.0.1:3000/    in two browser windows"))
        }
    }

    @Test("a used address is named, with the option that changes it, and exits with 71")
    func addressInUse() throws {
        let kernel = try LinuxKernel()
        let listener = try kernel.listen(at: .ipv4(octets: [127, 0, 0, 1], port: 0))
        defer { kernel.close(listener.descriptor) }
        let run = try Executable("demo", "--listen", "\(listener.address)", "--status", "127.0.0.1:1")
        #expect(run.status == 71 && run.output.isEmpty, "it promised a page before it had one")
        let sentence = "\(listener.address) is in use; end what listens there, or choose another one: --listen ADDRESS"
        #expect(run.errors.hasSuffix("ondemandd: \(sentence)\n"), "\(run.errors)")
    }
}
