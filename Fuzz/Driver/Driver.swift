// Entry point of libFuzzer: checks the target named by FUZZER with one input.

import Glibc

@testable import FuzzTargets

private let target = unsafe getenv("FUZZER").flatMap { unsafe FuzzTarget.named(String(cString: $0)) }

@c(LLVMFuzzerTestOneInput)
func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target else { fatalError("FUZZER names none of \(FuzzTarget.all.map(\.name))") }
    let input = unsafe Array(UnsafeBufferPointer(start: data, count: count))
    do throws(Violation) {
        try target.check(input)
    } catch {
        fatalError("\(target.name): \(error)")
    }
    return 0
}
