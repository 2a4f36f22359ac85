import CLinux
import Glibc

/// The daemon's side of a child's output: pipes and pseudo-terminals (pty(7)).
enum OutputDescriptor {
    static func read(fromPipe descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor.raw, bytes.baseAddress, bytes.count)
            }
            if let result = ReadResult(count: count) { return result }
        }
    }

    static func read(fromTerminal descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor.raw, bytes.baseAddress, min(bytes.count, limit))
            }
            // The other side is closed (pty(7)).
            if count < 0, errno == EIO { return .ended }
            if let result = ReadResult(count: count) { return result }
        }
    }
}
