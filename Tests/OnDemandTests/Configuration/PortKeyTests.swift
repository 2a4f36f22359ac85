import Testing

@testable import OnDemand

/// A backend's port in the configuration.
@Suite struct PortKeyTests {
    private func service(_ target: String, _ onDemand: String) throws -> Configuration.Service {
        let parts = #""name":"a","path":"/a","target":"\#(target)""#
        let file = Sample.file(service: parts, #""on_demand": {"command": "x", "args": ["-p", "{port}"]\#(onDemand)}"#)
        return try #require(try Configuration.read(Array(file.utf8), environment: ["PORT": "81"]).services.first)
    }

    @Test("auto leaves the target open, and the command gets the port")
    func automatic() throws {
        let service = try service("http://127.0.0.1:{port}/cable", #", "port": "auto""#)
        #expect(service.target.address == .ipv4(octets: [127, 0, 0, 1], port: 0))
        #expect(service.target.authority == "127.0.0.1" && service.target.path == "/cable")
        #expect(service.launch?.isToldItsPort == true)
    }

    @Test("a number completes the target, or equals its port", arguments: ["{port}", "81"])
    func fixed(port: String) throws {
        for number in ["81", #""${PORT}""#] {
            let service = try service("http://[::1]:\(port)", #", "port": \#(number)"#)
            #expect(service.target.address.port == 81 && service.target.authority == "[::1]:81")
            #expect(service.launch?.isToldItsPort == true)
        }
    }

    @Test("without port nothing is replaced")
    func none() throws {
        let service = try service("http://127.0.0.1:81", "")
        #expect(service.launch?.isToldItsPort == false && service.launch?.arguments == ["-p", "{port}"])
    }

    @Test("the command of a start has the port in its arguments and variables, and PORT unless it is set")
    func told() {
        var command = LaunchCommand(command: "{port}", arguments: ["-p", "{port}", "tcp://h:{port}/{port}", "{}"])
        command.environment = [.init(name: "A", value: "x{port}")]
        let told = command.told(28_080)
        #expect(told.command == "{port}" && told.arguments == ["-p", "28080", "tcp://h:28080/28080", "{}"])
        #expect(
            told.environment == [.init(name: "A", value: "x28080"), .init(name: "PORT", value: "28080")])
        command.environment = [.init(name: "PORT", value: "1{port}")]
        #expect(command.told(7).environment == [.init(name: "PORT", value: "17")])
    }

    @Test(
        "an inconsistent port has its error",
        arguments: [
            ("http://127.0.0.1:{port}", "", #"on_demand has no "port""#),
            ("http://127.0.0.1:81", #", "port": "auto""#, #""auto" needs {port} in the target"#),
            ("http://127.0.0.1:81", #", "port": 82"#, "82 is not the port of the target, which is 81"),
            ("unix:/run/a.sock", #", "port": "auto""#, "a Unix socket, which has no port"),
            ("http://127.0.0.1:{port}", #", "port": 0"#, "a whole number from 1 to 65535"),
            ("http://127.0.0.1:{port}", #", "port": "0""#, #""auto" lets the system choose"#),
            ("http://127.0.0.1:{port}", #", "port": "any""#, "has no number for a port"),
            ("http://127.0.0.1:{prt}", #", "port": "auto""#, "has no number for a port"),
            ("http://127.0.0.1:{port}", #", "port": 3000"#, "is a listener of this daemon"),
        ])
    func mistakes(target: String, onDemand: String, sentence: String) {
        let errors = #expect(throws: ConfigurationErrors.self) { try service(target, onDemand) }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
        #expect(errors?.all.count == 1)
    }

    @Test("a placeholder in the target of an unmanaged service is rejected")
    func plainProxy() {
        let file = Sample.file(service: #""name":"a","path":"/a","target":"http://127.0.0.1:{port}""#)
        #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(Array(file.utf8), environment: [:])
        }
    }

    @Test("two services may both have their own port")
    func siblings() throws {
        let services = ["a", "b"].map {
            #"{"name":"\#($0)","path":"/\#($0)","target":"http://127.0.0.1:{port}","#
                + #""on_demand":{"command":"x","port":"auto"}}"#
        }
        let file = Sample.file(services: services)
        #expect(try Configuration.read(Array(file.utf8), environment: [:]).services.count == 2)
    }
}
