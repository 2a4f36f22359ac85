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
        let number = Self.processes().first { Self.holds($0, inode) == true }
        return number.map { ProcessDescription(process: ProcessID(number: $0), name: Self.name(of: $0)) }
    }

    func listener(at address: SocketAddress, belongsToFamilyOf leader: ProcessID) -> Bool? {
        guard let inode = Self.listenerInode(at: address) else { return nil }
        let answers = family(of: leader.number).map { Self.holds($0, inode) }
        if answers.contains(true) { return true }
        return answers.contains(nil) ? nil : false
    }

    /// nil when that process does not let us look.
    private static func holds(_ process: Int32, _ inode: String) -> Bool? {
        let directory = "/proc/\(process)/fd"
        guard unsafe access(directory, R_OK | X_OK) == 0 else { return nil }
        return entries(of: directory).contains { linkTarget(of: "\(directory)/\($0)") == "socket:[\(inode)]" }
    }

    /// False when the process or the system has run out of descriptors.
    static func canOpenFiles() -> Bool {
        let raw = unsafe open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        _ = Glibc.close(raw)
        return true
    }

    /// Everybody's, by number.
    static func processes() -> [Int32] { entries(of: "/proc").compactMap { Int32($0) } }

    static func name(of process: Int32) -> String {
        contents(of: "/proc/\(process)/comm")?.split(separator: "\n").first.map { String($0) } ?? "?"
    }

    /// A socket in state LISTEN on this path, or on this address and port; only where nobody has the very address does
    /// a wildcard listener take what is sent there, and others on the same port never do.
    private static func listenerInode(at address: SocketAddress) -> String? {
        guard let port = address.port else {
            guard case .unix(let path) = address else { return nil }
            return firstRow(of: "/proc/net/unix") { $0.count == 8 && $0[7] == path }.map { String($0[6]) }
        }
        for place in localAddresses(taking: address) {
            let local = "\(place):\(hexadecimal(UInt32(port), digits: 4))"
            // Listeners come first: what follows may be ten thousand connections that are not worth reading.
            let row = firstRow(of: place.utf8.count == 8 ? "/proc/net/tcp" : "/proc/net/tcp6") {
                $0.count > 9 && $0[0] != "sl" && ($0[3] != "0A" || $0[1] == local)
            }
            if let row, row[3] == "0A" { return String(row[9]) }
        }
        return nil
    }

    /// As the tables write them: four octets at a time as one number of this machine, the most specific first.
    private static func localAddresses(taking address: SocketAddress) -> [String] {
        let written = { (octets: [UInt8]) in
            stride(from: 0, to: octets.count, by: 4).map { first in
                let number = octets[first..<first + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                return hexadecimal(UInt32(littleEndian: number), digits: 8)
            }.joined()
        }
        let anyVersion6 = String(repeating: "0", count: 32)
        return switch address {
        case .ipv4(let octets, _):
            [written(octets), written(Array(repeating: 0, count: 10) + [255, 255] + octets), "00000000", anyVersion6]
        case .ipv6(let octets, _): [written(octets), anyVersion6]
        case .unix: []
        }
    }

    private static func hexadecimal(_ number: UInt32, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: digits - text.utf8.count) + text
    }

    /// Reads no further than to the row that is wanted.
    private static func firstRow(of path: String, where isWanted: ([Substring]) -> Bool) -> [Substring]? {
        var unfinished: [UInt8] = []
        var found: [Substring]?
        readPieces(of: path) { piece in
            unfinished += piece
            while found == nil, let end = unfinished.firstIndex(of: 0x0a) {
                let row = String(decoding: unfinished[..<end], as: UTF8.self).split(separator: " ")
                if isWanted(row) { found = row }
                unfinished.removeSubrange(...end)
            }
            return found == nil
        }
        return found
    }

    /// A file of /proc has no size to ask for, so it is read until it ends.
    static func contents(of path: String) -> String? {
        bytes(of: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A file that the operator names.
    static func contents(ofFile path: String) throws(SystemError) -> [UInt8] {
        guard let bytes = bytes(of: path) else { throw SystemError(call: "open", code: .current, subject: path) }
        return bytes
    }

    static func bytes(of path: String) -> [UInt8]? {
        var all: [UInt8] = []
        let isComplete = readPieces(of: path) { piece in
            all += piece
            return true
        }
        return isComplete ? all : nil
    }

    /// Until the end, or until `take` has had enough; false when the file cannot be read.
    @discardableResult
    private static func readPieces(of path: String, _ take: (ArraySlice<UInt8>) -> Bool) -> Bool {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return false }
        defer { _ = Glibc.close(raw) }
        var piece = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = unsafe Glibc.read(raw, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return count == 0 }
            guard take(piece[..<count]) else { return true }
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
