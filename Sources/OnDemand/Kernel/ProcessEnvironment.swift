import CLinux
import Glibc

/// The environment of this process, and what of it programs inherit.
enum ProcessEnvironment {
    /// Variables of the service manager, of a daemon above this one, and the platform's port are not inherited.
    private static let variablesOfOurs = [
        "PORT", "PWD", "OLDPWD",
        "ONDEMANDD_SUPERVISOR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC",
        "WATCHDOG_PID",
    ]

    /// The environment of this process in its order.
    static func variables() -> [LaunchCommand.Variable] {
        var variables: [LaunchCommand.Variable] = []
        var position = unsafe environ
        while let entry = unsafe position.pointee {
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables.append(
                    .init(name: String(text[..<equals]), value: String(text[text.index(after: equals)...])))
            }
            unsafe position += 1
        }
        return variables
    }

    static func value(of name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// The daemon's variables that the command does not set and that are not the daemon's alone, without copies.
    /// Another terminal's size does not count for a new one.
    static func inherited(
        by command: LaunchCommand, hasTerminal: Bool
    ) -> [UnsafeMutablePointer<CChar>?] {
        let omitted = variablesOfOurs + (hasTerminal ? ["COLUMNS", "LINES"] : []) + command.withheldVariables
        var inherited: [UnsafeMutablePointer<CChar>?] = unsafe []
        var position = unsafe environ
        while let entry = unsafe position.pointee {
            unsafe position += 1
            if unsafe strchr(entry, Int32(UInt8(ascii: "="))) == nil { continue }
            if command.environment.contains(where: { unsafe isVariable(entry, named: $0.name) }) { continue }
            if omitted.contains(where: { unsafe isVariable(entry, named: $0) }) { continue }
            unsafe inherited.append(entry)
        }
        return unsafe inherited
    }

    /// A name that ends with `*` stands for all that begin so.
    private static func isVariable(_ entry: UnsafePointer<CChar>, named name: String) -> Bool {
        var position = unsafe entry
        for byte in name.utf8 {
            if byte == UInt8(ascii: "*") { return true }
            guard unsafe UInt8(bitPattern: position.pointee) == byte else { return false }
            unsafe position += 1
        }
        return unsafe UInt8(bitPattern: position.pointee) == UInt8(ascii: "=")
    }
}
