import Testing

@testable import OnDemand

struct LaunchHintTests {
    @Test(
        "shell syntax in a command causes a hint",
        arguments: [
            (
                "bundle exec puma",
                "a whole command line; write \"command\": \"bundle\", \"args\": [\"exec\", \"puma\"]"
            ),
            ("~/bin/app", "no shell expands \"~\"; write the whole path, or \"${HOME}/...\""),
            ("$HOME/bin/app", "no shell expands \"$HOME\"; write \"${HOME}\""),
            ("FOO=1 puma", "a whole command line; write \"command\": \"puma\", \"env\": {\"FOO\": \"1\"}"),
            (
                "A_1=x=y B= bundle exec",
                "a whole command line; write \"command\": \"bundle\", \"args\": [\"exec\"], "
                    + "\"env\": {\"A_1\": \"x=y\", \"B\": \"\"}"
            ),
            (
                "RAILS_ENV=production bin/rails",
                "a whole command line; write \"command\": \"bin/rails\", \"env\": {\"RAILS_ENV\": \"production\"}"
            ),
        ])
    func commands(command: String, hint: String) { #expect(LaunchHint.ofCommand(command) == hint) }

    @Test(
        "a valid command causes no hint",
        arguments: ["puma", "/opt/my app/run", "./x y", "a$", "/srv/$x/run", "FOO=1", "./a=b c"])
    func sound(command: String) { #expect(LaunchHint.ofCommand(command) == nil) }

    @Test(
        "a script that the system does not find lacks its interpreter",
        arguments: [
            (
                "#!/bin/sh\r\necho\r\n",
                "the line of its interpreter \"/bin/sh\" ends with CRLF; save the file with LF line ends"
            ),
            ("#! /opt/none -x\n", "its interpreter \"/opt/none\" is not on this system"),
            (
                "\u{7f}ELF\u{2}",
                "its dynamic loader is not on this system: it was built for another C library or machine"
            ),
        ])
    func files(text: String, hint: String) { #expect(LaunchHint.ofFile(beginningWith: Array(text.utf8)) == hint) }

    @Test(
        "a directory of a shell is named",
        arguments: [
            ("~", "\"~\""), ("~/app", "\"~\""), ("~deploy/app", "\"~\""), ("$HOME/app", "\"$HOME\""),
            ("/srv/$APP", "$APP"),
        ])
    func directories(path: String, named: String) throws {
        #expect(try #require(LaunchHint.ofPath(path)).contains("no shell expands") == true)
        #expect(try #require(LaunchHint.ofPath(path)).contains(named))
    }

    @Test(
        "a directory that the system can find is not complained about", arguments: [".", "../x", "a~", "/srv/$x", "/"])
    func soundDirectories(path: String) { #expect(LaunchHint.ofPath(path) == nil) }

    @Test("an argument that only a shell expands is named, where it looks like a path")
    func argumentPaths() {
        let hint = LaunchHint.ofArguments(["-C", "~/app/puma.rb"])
        #expect(hint?.contains("argument \"~/app/puma.rb\": no shell expands \"~\"") == true)
        #expect(LaunchHint.ofArguments(["$HOME/app"])?.contains("write \"${HOME}\"") == true)
        #expect(LaunchHint.ofArguments(["~", "$HOME", "a~/b", "-e", "puts $PROGRAM_NAME / 2"]) == nil)
    }

    @Test("CRLF is seen behind every interpreter, whatever stands before it")
    func scripts() {
        let hint = { (text: String) in LaunchHint.ofScript(beginningWith: Array(text.utf8)) }
        #expect(hint("#!/usr/bin/env python3\r\n")?.contains("\"/usr/bin/env python3\" ends with CRLF") == true)
        #expect(hint("#!/bin/sh\r\nexit")?.contains("\"/bin/sh\" ends with CRLF") == true)
        #expect(hint("#!/usr/bin/env python3\nprint()\r\n") == nil)
        #expect(hint("echo\r\n") == nil)
    }

    @Test("a file that is no script causes no hint", arguments: ["", "#", "echo"])
    func others(text: String) { #expect(LaunchHint.ofFile(beginningWith: Array(text.utf8)) == nil) }
}
