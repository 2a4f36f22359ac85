import Foundation
import Testing

/// The length of types: each has one responsibility, and is divided before it has more than 500 lines in all its files.
struct TypeLengthTests {
    private static let limit = 500

    /// State machines may be longer, each for its reason. A reader needs all of a machine at once: its file opens with
    /// a theory of operation, and its functions are switches. Divided, the data of a state would be known to several
    /// types.
    private static let machines = [
        "ExchangeMachine": "every phase of a request and its response, and the events that may come in each",
        "BackendMachine": "every state of a backend's life, and the events that may come in each",
        "RelayMachine": "every state of a client's upstream, and what each does with a message of either side",
        "CableMachine": "every message of a client and every write to one, whose frames stay whole and in order",
        "SubscriberMachine": "every state of the two links, and what a reply, a failure or a timer means in each",
    ]

    @Test("no type has more than 500 lines in all its extensions, except a state machine")
    func length() {
        let lengths = Self.lengths(of: SourceTree.library + SourceTree.executable + SourceTree.double)
        #expect(lengths.count > 300)
        for (type, length) in lengths.sorted(by: { $0.key < $1.key }) where length > Self.limit {
            #expect(Self.machines[type] != nil, "\(type) has \(length) lines")
        }
        for type in Self.machines.keys {
            #expect(lengths[type, default: 0] > Self.limit, "\(type) is short enough: take it off its list")
        }
    }

    @Test("a machine that is longer opens with a theory of operation, and decides by a switch over its states")
    func machines() throws {
        for machine in Self.machines.keys.sorted() {
            let files = SourceTree.library.filter {
                $0.name.hasPrefix("\(machine).") || $0.name.hasPrefix("\(machine)+")
            }
            let first = try #require(files.first { $0.name == "\(machine).swift" })
            let theory = first.lines.prefix { $0.hasPrefix("///") }
            #expect(theory.count >= 15, "\(machine) has no theory of operation")
            for word in ["Invariants:", "Example:"] {
                #expect(theory.contains { $0.contains(word) } || theory.joined().contains(word), "\(machine): \(word)")
            }
            #expect(files.contains { $0.code.contains(/\bswitch\b/) }, "\(machine) decides nothing by a switch")
        }
    }

    @Test("declarations and extensions of a type are counted together, nested types with their type, literals too")
    func counting() {
        let one = SourceFile(
            path: "Sources/OnDemand/HTTP/One.swift",
            text: """
                /// Not counted.
                @safe final class One<Item>: Two {
                    struct Nested {
                        let text = \"\"\"
                            }
                            \"\"\"
                    }
                }

                enum Short {}
                extension [One] { var isEmpty: Bool { false } }

                """)
        let other = SourceFile(
            path: "Sources/OnDemand/HTTP/One+Other.swift",
            text: """
                extension One where Item == Int {
                    func other() {}
                }
                private protocol Two: AnyObject {
                }
                extension One.Nested {
                }

                """)
        let expected = ["One": 10, "Short": 1, "[One]": 1, "Two": 2, "One.Nested": 2]
        #expect(Self.lengths(of: [one, other]) == expected)
    }

    /// Lines from the first of a declaration to its last, by the name of the type.
    private static func lengths(of files: [SourceFile]) -> [String: Int] {
        let beginning = /^(?:@?\w+(?:\(\w+\))? )*(?:struct|class|enum|actor|protocol|extension) ([\w.]+|\[\w+\])/
        var lengths: [String: Int] = [:]
        for file in files {
            var open: String?
            for line in file.lines {
                if open == nil { open = line.prefixMatch(of: beginning).map { String($0.1) } }
                guard let type = open else { continue }
                lengths[type, default: 0] += 1
                let isWhole = line.hasSuffix("}") && line.prefixMatch(of: beginning) != nil
                if line.hasPrefix("}") || isWhole { open = nil }
            }
        }
        return lengths
    }
}
