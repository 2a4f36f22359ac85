import Glibc

/// What /proc tells about processes and their sockets (proc(5)); for messages and the status page.
extension LinuxKernel {
    func residentBytes(of process: ProcessID?) -> Int? {
        let name = process.map { "\($0.number)" } ?? "self"
        guard let statm = Self.contents(of: "/proc/\(name)/statm") else { return nil }
        let fields = statm.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    func listenerOwner(at address: SocketAddress) -> ProcessDescription? {
        guard let inode = Self.listenerInode(at: address) else { return nil }
        for number in Self.processes() {
            let holds = Self.entries(of: "/proc/\(number)/fd").contains { name in
                Self.linkTarget(of: "/proc/\(number)/fd/\(name)") == "socket:[\(inode)]"
            }
            guard holds else { continue }
            return ProcessDescription(process: ProcessID(number: number), name: Self.name(of: number))
        }
        return nil
    }

    /// Everybody's, by number.
    static func processes() -> [Int32] { entries(of: "/proc").compactMap { Int32($0) } }

    static func name(of process: Int32) -> String {
        contents(of: "/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
    }

    /// A socket in state LISTEN on this port (any local address: a wildcard listener takes ours too) or path.
    private static func listenerInode(at address: SocketAddress) -> String? {
        switch address {
        case .unix(let path):
            let rows = contents(of: "/proc/net/unix")?.split(separator: "\n") ?? []
            let row = rows.map { $0.split(separator: " ") }.first { $0.count == 8 && $0[7] == path }
            return row.map { String($0[6]) }
        case .ipv4(_, let port), .ipv6(_, let port):
            let digits = String(port, radix: 16, uppercase: true)
            let suffix = ":" + String(repeating: "0", count: 4 - digits.count) + digits
            for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
                let rows = contents(of: table)?.split(separator: "\n") ?? []
                let row = rows.map { $0.split(separator: " ") }
                    .first { $0.count > 9 && $0[3] == "0A" && $0[1].hasSuffix(suffix) }
                if let row { return String(row[9]) }
            }
            return nil
        }
    }

    /// A file of /proc has no size to ask for, so it is read until it ends.
    static func contents(of path: String) -> String? {
        bytes(of: path).map { String(decoding: $0, as: UTF8.self) }
    }

    static func bytes(of path: String) -> [UInt8]? {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        defer { _ = Glibc.close(raw) }
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = unsafe Glibc.read(raw, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { return all }
            all += piece[..<count]
        }
    }

    static func entries(of directory: String) -> [String] {
        guard let handle = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }

    private static func linkTarget(of path: String) -> String {
        var target = [UInt8](repeating: 0, count: 128)
        let count = unsafe target.withUnsafeMutableBytes { bytes in
            unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        return String(decoding: target.prefix(max(count, 0)), as: UTF8.self)
    }
}
