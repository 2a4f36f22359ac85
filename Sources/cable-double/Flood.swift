/// A large output in numbered lines, alternating between stdout and stderr.
struct Flood {
    /// At most PIPE_BUF (pipe(7)), so that a writable pipe accepts a line without blocking.
    private static let lineBytes = 2000
    private var number = 0

    var descriptor: Descriptor { number.isMultiple(of: 2) ? Console.output : Console.errors }

    mutating func writeLine() {
        let head = Array("flood \(number) ".utf8)
        let filler = [UInt8](repeating: UInt8(ascii: "x"), count: Self.lineBytes - head.count - 1)
        Console.write(head + filler + [UInt8(ascii: "\n")], to: descriptor)
        number += 1
    }
}
