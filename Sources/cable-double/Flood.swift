/// More output than anybody wants to read, in numbered lines, to stdout and stderr in turns.
struct Flood {
    /// At most PIPE_BUF (pipe(7)), so that a pipe reported writable takes a line without making us wait.
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
