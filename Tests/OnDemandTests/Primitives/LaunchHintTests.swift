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
        ])
    func commands(command: String, hint: String) { #expect(LaunchHint.ofCommand(command) == hint) }

    @Test(
        "a valid command causes no hint",
        arguments: ["puma", "/opt/my app/run", "./x y", "a$", "/srv/$x/run"])
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

    @Test("a file that is no script causes no hint", arguments: ["", "#", "echo"])
    func others(text: String) { #expect(LaunchHint.ofFile(beginningWith: Array(text.utf8)) == nil) }
}
