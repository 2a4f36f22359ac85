import CLinux
import Glibc

/// Identity of a socket file, independent of its name.
struct SocketFile: Equatable {
    let device: UInt
    let inode: UInt

    /// nil: no socket with this name.
    init?(at path: String) {
        var information = stat()
        guard unsafe lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFSOCK else { return nil }
        (device, inode) = (UInt(information.st_dev), UInt(information.st_ino))
    }

    /// The socket that a connection to this path reaches, with links followed. nil: none.
    init?(behind path: String) {
        var information = stat()
        guard unsafe stat(path, &information) == 0, information.st_mode & S_IFMT == S_IFSOCK else { return nil }
        (device, inode) = (UInt(information.st_dev), UInt(information.st_ino))
    }

    /// Removes the socket file at this address, and no other kind of file.
    static func remove(at address: SocketAddress) {
        guard case .unix(let path) = address, SocketFile(at: path) != nil else { return }
        unsafe unlink(path)
    }
}
