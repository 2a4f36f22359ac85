import Foundation
import Testing

/// The rooms of the library and their allowed dependencies: docs/ARCHITECTURE.md as a test.
struct WallsTests {
    /// A room may name types of its own, and of these.
    private static let mayName: [String: [String]] = [
        "Primitives": [],
        "HTTP": ["Primitives"],
        "Crypto": ["Primitives"],
        "WebSocket": ["Crypto"],
        "Routing": ["Primitives"],
        "Cable": ["Primitives", "JSON", "WebSocket", "Crypto"],
        "Hibernation": ["Primitives", "JSON", "HTTP", "Cable"],
        "Redis": ["Primitives"],
        "Commands": ["Primitives", "JSON", "HTTP", "Observability", "Backend"],
        "JSON": ["Primitives"],
        "Kernel": ["Primitives"],
        "Observability": ["Primitives"],
        "Backend": ["Primitives"],
        "Exchange": ["Primitives", "HTTP", "WebSocket", "Routing", "Backend", "Cable"],
        "EventLoop": ["Primitives", "Kernel"],
        "Systemd": ["Primitives", "Kernel", "EventLoop"],
        "Probing": ["Primitives", "HTTP", "WebSocket", "Crypto", "Backend"],
        "Supervisor": ["Primitives", "HTTP", "Kernel", "EventLoop", "Backend", "Probing", "Observability", "Commands"],
        "Status": ["Primitives", "Observability", "Routing", "JSON"],
        "CableServer": [
            "Primitives", "Kernel", "EventLoop", "Observability", "Cable", "WebSocket", "HTTP", "Exchange", "Redis",
            "Fabric", "Backend", "Hibernation", "Crypto", "Commands",
        ],
        "Fabric": ["Primitives", "Kernel", "EventLoop", "Observability", "Redis", "Exchange"],
        "Tunnel": ["Primitives", "Kernel", "EventLoop", "Exchange", "WebSocket", "Backend", "Observability"],
        "Proxy": [
            "Primitives", "Kernel", "EventLoop", "Exchange", "HTTP", "WebSocket", "Routing", "Backend",
            "Observability", "Status", "Control", "CableServer", "Hibernation", "Tunnel", "Commands",
        ],
        "Control": ["Primitives", "JSON", "HTTP", "Backend", "Observability"],
        "Configuration": ["Primitives", "JSON", "Backend", "Routing", "Cable", "Hibernation", "Redis", "Commands"],
        "Demo": ["Primitives", "Kernel", "EventLoop", "HTTP", "WebSocket", "Configuration"],
    ]

    /// Wiring is outside the rooms and may use all of them; no room may use it.
    private static let wiring = ["CommandLine", "Daemon", "Version.swift"]

    /// The room of each type. A name that two rooms use is ambiguous.
    private static let home: [String: String] = {
        var homes: [String: Set<String>] = [:]
        for file in SourceTree.library {
            for type in file.declaredTypes { homes[type, default: []].insert(file.folder) }
        }
        return homes.compactMapValues { $0.count == 1 ? $0.first : nil }
    }()

    /// Nested types, by room: they refer to themselves, whatever another room declares.
    private static let nested: [String: Set<String>] = SourceTree.library.reduce(into: [:]) { nested, file in
        nested[file.folder, default: []].formUnion(file.nestedTypes)
    }

    @Test("no file names a type of a forbidden room")
    func walls() {
        for file in SourceTree.library where !Self.wiring.contains(file.folder) {
            let known = (Self.mayName[file.folder] ?? []) + [file.folder]
            for name in file.names.subtracting(Self.nested[file.folder] ?? []).sorted() {
                guard let home = Self.home[name], !known.contains(home) else { continue }
                Issue.record("\(file.path) names \(name), which lives in \(home)")
            }
        }
    }

    @Test("no room may name types of a room that it does not use")
    func unusedRows() {
        var used: [String: Set<String>] = [:]
        for file in SourceTree.library {
            let names = file.names.subtracting(Self.nested[file.folder] ?? [])
            used[file.folder, default: []].formUnion(names.compactMap { Self.home[$0] })
        }
        for (room, allowed) in Self.mayName {
            let unused = Set(allowed).subtracting(used[room] ?? [])
            #expect(unused.isEmpty, "\(room) names nothing of \(unused.sorted())")
        }
    }

    @Test("every room has its row in the table, and every row its room")
    func rooms() {
        let rooms = Set(SourceTree.library.map(\.folder)).subtracting(Self.wiring)
        #expect(rooms == Set(Self.mayName.keys))
    }

    @Test("docs/ARCHITECTURE.md has the same table")
    func document() throws {
        let file = Corpus.repository.appending(path: "docs/ARCHITECTURE.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        let rows = text.matches(of: /(?m)^\| `(\w+)\/` \| [^|]+ \| ([^|]+) \|$/).map { row in
            (String(row.1), row.2 == "nothing" ? [] : Set(row.2.components(separatedBy: ", ")))
        }
        #expect(Dictionary(uniqueKeysWithValues: rows) == Self.mayName.mapValues(Set.init))
    }

    @Test("the test finds a type of each room, and a forbidden name")
    func selfCheck() {
        #expect(Self.home["BackendMachine"] == "Backend")
        #expect(Self.home["RequestHead"] == "HTTP")
        #expect(Self.home["LinuxKernel"] == "Kernel")
        #expect(Set(Self.home.values).isSuperset(of: Self.mayName.keys))
        let file = SourceFile(path: "Sources/OnDemand/HTTP/X.swift", text: "let a = \"\\(BackendGate())\" // Slab")
        #expect(file.names == ["BackendGate"])
        let other = SourceFile(path: "Sources/OnDemand/HTTP/Y.swift", text: "let b = \"http://Slab\"; BackendGate()\n")
        #expect(other.names == ["BackendGate"])
    }

    @Test("only the kernel imports the system, only the gate imports atomics, and no file imports Foundation")
    func imports() {
        for file in SourceTree.library {
            for module in file.imports {
                switch module {
                case "CLinux", "Glibc": #expect(file.folder == "Kernel", "\(file.path) imports \(module)")
                case "Synchronization": #expect(file.name == "BackendGate.swift", "\(file.path) imports \(module)")
                default: Issue.record("\(file.path) imports \(module)")
                }
            }
        }
        for file in SourceTree.executable {
            #expect(Set(file.imports).isSubset(of: ["Glibc", "OnDemand"]), "\(file.path) imports \(file.imports)")
        }
    }

    @Test("unsafe memory is used in the kernel's room only, and once where the executable prints")
    func unsafeCode() {
        for file in SourceTree.library where file.folder != "Kernel" {
            #expect(!file.code.contains(/\bunsafe\b/), "\(file.path)")
        }
        for file in SourceTree.executable {
            let count = file.code.matches(of: /\bunsafe\b/).count
            #expect(count <= (file.name == "Main.swift" ? 1 : 0), "\(file.path) has \(count)")
        }
    }

    @Test("no language concurrency is used: only the daemon's own threads exist, and a seed replays")
    func noTasks() {
        for file in SourceTree.library + SourceTree.executable {
            #expect(!file.code.contains(/\b(?:async|await|actor|Task)\b/), "\(file.path)")
        }
    }
}
