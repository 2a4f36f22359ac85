import Testing

@testable import OnDemand

/// The syntax of the environment file, and its errors.
struct EnvironmentFileTests {
    private func read(_ text: String) throws -> [String: String] {
        let variables = try EnvironmentFile.read(Array(text.utf8), file: "env")
        return Dictionary(uniqueKeysWithValues: variables.map { ($0.name, $0.value) })
    }

    @Test(
        "a line is a name, an equals sign and a value, plain or in quotes",
        arguments: [
            ("A=1", "1"), ("A=", ""), ("A= \t", ""), ("  A=1  ", "1"), ("A=1\r", "1"), ("export A=1", "1"),
            ("\texport \t A=1", "1"), ("A=a b", "a b"), ("A=a=b#c", "a=b#c"), ("A=#c", "#c"),
            ("A=$HOME/${X}", "$HOME/${X}"),
            ("A='a \"b\" \\ # c'", "a \"b\" \\ # c"), (#"A="a 'b' # \"c\" \\ \$ \` \n""#, #"a 'b' # "c" \ $ ` \n"#),
            ("A=''", ""), (#"A="1" # one"#, "1"), ("A='1'\t", "1"), ("A=größe", "größe"),
        ])
    func values(line: String, value: String) throws {
        #expect(try read(line) == ["A": value])
    }

    @Test("comments and empty lines are ignored, and the last line for a name applies")
    func lines() throws {
        #expect(try read("# A=1\n\n  \t\n  # x\nA=1\r\nB_2=x\n_c=\nA=2\n") == ["A": "2", "B_2": "x", "_c": ""])
        #expect(try read("export=1") == ["export": "1"])
        #expect(try read("exported=1") == ["exported": "1"])
        #expect(try read("") == [:])
    }

    @Test(
        "an ambiguous line is rejected, with its position",
        arguments: [
            ("A", 1, "there is no equals sign; a line is NAME=value, a comment begins with #"),
            ("export A", 8, "there is no equals sign"),
            ("1A=x", 1, "this is not a variable name"), ("=x", 1, "this is not a variable name"),
            ("A-B=x", 1, "this is not a variable name"), ("A B=x", 1, "this is not a variable name"),
            ("\u{feff}A=x", 1, "this is not a variable name"),
            ("A =x", 2, "there is a space next to the equals sign"), ("A= x", 3, "there is a space next to"),
            ("A=it's", 5, "only a value in quotes can have"), ("A=x # y", 5, "only a value in quotes can have"),
            ("A=x\\", 4, "only a value in quotes can have"), ("A=x\"y\"", 4, "only a value in quotes can have"),
            ("A='x", 3, "the quote that opens here does not close on its line"),
            ("A=\"x\\\"", 3, "the quote that opens here does not close on its line"),
            ("A='x'y", 6, "nothing but a comment may follow the closing quote"),
            ("A='x'#y", 6, "nothing but a comment may follow the closing quote"),
            ("A=x\0", 1, "this line has a zero byte"),
        ])
    func mistakes(line: String, column: Int, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try read("OK=1\n\(line)\nSECRET=2") }
        let rendered = try #require(errors?.rendered(file: "c.json"))
        #expect(rendered.hasPrefix("env:2:\(column): error: \(sentence)"), "\(rendered)")
        #expect(!rendered.contains("\n"))
    }

    @Test("invalid UTF-8 is rejected, and every invalid line is found in one run")
    func allAtOnce() {
        let bytes = Array("A=1\nB\n".utf8) + [0x43, 0x3d, 0xff, 0x0a] + Array("D =\n".utf8)
        let errors = #expect(throws: ConfigurationErrors.self) { try EnvironmentFile.read(bytes, file: "env") }
        #expect(errors?.all.map(\.line) == [2, 3, 4])
        #expect(errors?.all[1].sentence == "this line is not UTF-8")
    }

    @Test("no error repeats the file's content")
    func secrets() {
        let lines = ["hunter2", "A=hunter2 # x", "A='hunter2", "hunter2 =x", "A='x' hunter2", "A= hunter2"]
        let errors = #expect(throws: ConfigurationErrors.self) { try read(lines.joined(separator: "\n")) }
        #expect(errors?.all.count == 6)
        #expect(errors?.rendered(file: "c.json").contains("hunter2") == false)
    }
}

/// The key that names it.
struct EnvironmentFileKeyTests {
    private static let service =
        #""reverse_proxies":[{"name":"a","path":"/a","enabled":"${FLAG:-false}","target":"http://127.0.0.1:${PORT}"}]"#

    private func read(
        _ key: String, _ files: [String: String] = [:], _ environment: [String: String] = ["PORT": "1"]
    ) throws -> Configuration {
        let text = "{\"listen\":\"127.0.0.1:3000\",\n\"env_file\":\(key),\n\(Self.service)}"
        return try Configuration.read(Array(text.utf8), environment: environment) { file throws(SystemError) in
            if let text = files[file] { return Array(text.utf8) }
            throw SystemError(call: "open", code: file == "secret" ? .permissionDenied : .noSuchFile, subject: file)
        }
    }

    private func refusal(_ key: String, _ files: [String: String] = [:]) -> String? {
        #expect(throws: ConfigurationErrors.self) { try read(key, files) }?.rendered(file: "c.json")
    }

    @Test("its values override the process's own, and are passed to the backends")
    func values() throws {
        let configuration = try read(#""env""#, ["env": "FLAG=true\nPORT=2\n"], ["FLAG": "false", "PORT": "1"])
        #expect(configuration.services[0].enabled)
        #expect(configuration.services[0].target.address == .ipv4(octets: [127, 0, 0, 1], port: 2))
        #expect(configuration.environment.map { "\($0.name)=\($0.value)" } == ["FLAG=true", "PORT=2"])
        #expect(configuration.services[0].launch == nil)
    }

    @Test("its own name is expanded with the variables of the process only")
    func name() throws {
        let text = #""${DIR}/env""#
        #expect(try read(text, ["x/env": "FLAG=1"], ["DIR": "x", "PORT": "1"]).services[0].enabled)
        #expect(refusal(text)?.contains("2:12: error: env_file: the environment variable DIR is not set") == true)
    }

    @Test("a missing file is an error unless its name begins with a dash")
    func missing() throws {
        #expect(
            refusal(#""env""#)
                == #"c.json:2:12: error: env_file: "env" cannot be read: no such file or directory;"#
                + #" "-env" would do without it"#
        )
        #expect(try read(#""-env""#).environment.isEmpty)
        #expect(try read(#""-env""#, ["env": "FLAG=1"]).services[0].enabled)
        #expect(
            refusal(#""-secret""#)
                == #"c.json:2:12: error: env_file: "secret" cannot be read: permission denied"#)
    }

    @Test("an invalid line is the only error, because the rest of the file depends on its values")
    func brokenLine() {
        #expect(refusal(#""env""#, ["env": "PORT=x\nFLAG\n"])?.hasPrefix("env:2:1: error: there is no equals") == true)
    }

    @Test(
        "env_file is a string with a file name",
        arguments: [("5", "expected the name of a file"), (#""-""#, "is not a file name")])
    func wrong(key: String, sentence: String) {
        #expect(refusal(key)?.contains(sentence) == true)
    }

    @Test("a process gets its variables under those of its own service")
    func merging() {
        var command = LaunchCommand(command: "x")
        command.environment = [.init(name: "A", value: "own")]
        let merged = command.over([.init(name: "A", value: "file"), .init(name: "B", value: "file")])
        #expect(merged.environment == [.init(name: "B", value: "file"), .init(name: "A", value: "own")])
    }
}
