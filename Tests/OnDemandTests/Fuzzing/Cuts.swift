/// The first byte of an input determines how the rest arrives: a fuzzer finds the split that changes a result.
struct Cuts {
    let bytes: [UInt8]
    /// Where each piece ends; the last one is the end of the bytes.
    let ends: [Int]
    /// Further choices of a property.
    let choice: UInt8

    /// Zero means byte by byte; any other value is the seed of random pieces.
    init(_ input: [UInt8]) {
        choice = input.first ?? 0
        bytes = Array(input.dropFirst())
        guard choice > 0 else {
            ends = bytes.isEmpty ? [0] : Array(1...bytes.count)
            return
        }
        var random = UInt64(choice)
        let longest = 1 + Int(choice & 0x3f)
        var ends: [Int] = []
        var end = 0
        while end < bytes.count {
            random = random &* 0x5851_f42d_4c95_7f2d &+ 1
            end = min(end + 1 + Int(random >> 40) % longest, bytes.count)
            ends.append(end)
        }
        self.ends = ends.isEmpty ? [0] : ends
    }
}
