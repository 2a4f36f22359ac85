import CLinux
import Glibc

/// The processes of the system as /proc shows them (proc(5)): parents, start times, marks and memory.
enum ProcessTable {
    /// All pids.
    static func all() -> [Int32] { ProcFile.entries(of: "/proc").compactMap { Int32($0) } }

    static func name(of process: Int32) -> String {
        ProcFile.contents(of: "/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
    }

    static func facts(of process: Int32) -> ProcessFacts? {
        ProcFile.bytes(of: "/proc/\(process)/stat").flatMap { ProcessFacts(process, stat: $0) }
    }

    /// Also works for a child that /proc hides (proc(5), hidepid). Its start time is 0.
    static func factsOfChild(_ child: Int32) -> ProcessFacts? {
        if let facts = facts(of: child) { return facts }
        let (group, session) = (getpgid(child), getsid(child))
        guard group > 0, session > 0 else { return nil }
        return ProcessFacts(
            number: child, state: UInt8(ascii: "?"), parent: getpid(), group: group, session: session, start: 0)
    }

    /// Children of all threads (proc(5), /proc/PID/task/TID/children). Without that file every process is checked.
    static func children(of process: Int32) -> [Int32] {
        var isTold = false
        let children = ProcFile.entries(of: "/proc/\(process)/task").flatMap { thread in
            let list = ProcFile.bytes(of: "/proc/\(process)/task/\(thread)/children")
            isTold = isTold || list != nil
            return numbers(in: list ?? [])
        }
        guard !isTold, !hasChildrenFiles else { return children }
        return all().filter { facts(of: $0)?.parent == process }
    }

    /// Decimal numbers with a space behind each.
    private static func numbers(in list: [UInt8]) -> [Int32] {
        var numbers: [Int32] = []
        var number: Int32 = 0
        for byte in list {
            if byte >= 0x30, byte <= 0x39 {
                number = number &* 10 &+ Int32(byte - 0x30)
            } else if number > 0 {
                numbers.append(number)
                number = 0
            }
        }
        return numbers
    }

    private static let hasChildrenFiles = unsafe access("/proc/self/task/\(getpid())/children", R_OK) == 0

    /// From the limits, which every user can read.
    static func shortMark(of process: Int32) -> ShortMark? {
        limits(of: process).flatMap { ShortMark(limits: $0) }
    }

    /// nil: unreadable.
    static func limits(of process: Int32) -> [UInt8]? { ProcFile.bytes(of: "/proc/\(process)/limits") }

    static func environmentMark(of process: Int32) -> LaunchMark? {
        environment(of: process).flatMap { mark(in: $0) }
    }

    /// Empty for a zombie, for a kernel thread, and in the middle of execve(2). nil: unreadable.
    static func environment(of process: Int32) -> [UInt8]? {
        let path = "/proc/\(process)/environ"
        return ProcFile.bytes(of: path) ?? asOwner(of: process) { ProcFile.bytes(of: path) }
    }

    static func mark(in environment: [UInt8]) -> LaunchMark? {
        let marker = "\(LaunchMark.variable)="
        let entry = environment.split(separator: 0).first { $0.starts(with: marker.utf8) }
        return entry.flatMap { LaunchMark(text: String(decoding: $0, as: UTF8.self).dropFirst(marker.utf8.count)) }
    }

    static func ownNamespace() -> UInt64? {
        var information = stat()
        return unsafe stat("/proc/self/ns/pid", &information) == 0 ? UInt64(information.st_ino) : nil
    }

    /// Reads as the owner of a process. Without CAP_SYS_PTRACE root may not read a process that has changed its user.
    /// With CAP_SETUID it may do so as that user (ptrace(2), PTRACE_MODE_READ_FSCREDS).
    static func asOwner<Result>(of process: Int32, _ read: () -> Result?) -> Result? {
        var information = stat()
        let (user, group) = (geteuid(), getegid())
        guard unsafe stat("/proc/\(process)", &information) == 0,
            information.st_uid != user || information.st_gid != group
        else { return nil }
        defer { _ = ondemandd_open_files_as(user, group) }
        return ondemandd_open_files_as(information.st_uid, information.st_gid) != 0 ? read() : nil
    }

    /// Signals exactly this process and not a later one with its pid. Returns the errno of a denial.
    @discardableResult
    static func send(_ signal: Int32, to process: ProcessFacts) -> Errno? {
        // A child keeps its pid until it is reaped.
        let isOwnChild = process.parent == getpid()
        let descriptor = isOwnChild ? -1 : ondemandd_open_process(process.number)
        defer { if descriptor >= 0 { _ = Glibc.close(descriptor) } }
        guard isOwnChild || facts(of: process.number)?.start == process.start else { return nil }
        if descriptor >= 0 {
            if ondemandd_signal_process(descriptor, signal) == 0 || errno == ESRCH { return nil }
            guard errno == ENOSYS else { return .current }
        }
        // Before Linux 5.3, or if forbidden, only pids are available.
        return kill(process.number, signal) == 0 || errno == ESRCH ? nil : .current
    }

    /// Whether /proc shows this pid namespace.
    static var seesProcesses: Bool { ProcFile.linkTarget(of: "/proc/self", atMost: 16) == "\(getpid())" }

    static var isProcMounted: Bool { unsafe access("/proc/self", F_OK) == 0 || !all().isEmpty }

    /// Whether /proc lists the processes of other users, judged by pid 1.
    static var listsEveryProcess: Bool { unsafe access("/proc/1/stat", R_OK) == 0 && seesProcesses }

    /// Returns false if the process or the system is out of descriptors.
    static func canOpenFiles() -> Bool {
        let raw = unsafe open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return errno != EMFILE && errno != ENFILE }
        _ = Glibc.close(raw)
        return true
    }

    static func residentBytes(of process: ProcessID?) -> Int? {
        let name = process.map { "\($0.number)" } ?? "self"
        guard let statm = ProcFile.contents(of: "/proc/\(name)/statm") else { return nil }
        let fields = statm.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
