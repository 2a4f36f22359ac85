// swift-tools-version: 6.2
import PackageDescription

/// Every target reads the same rules: Swift 6, warnings are errors, unsafe code is spelled out.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "ondemandd",
    products: [
        .executable(name: "ondemandd", targets: ["ondemandd"]),
        .executable(name: "cable-double", targets: ["cable-double"]),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .target(name: "OnDemand", dependencies: ["CLinux"], swiftSettings: strict),
        .executableTarget(name: "ondemandd", dependencies: ["OnDemand"], swiftSettings: strict),
        .executableTarget(name: "cable-double", dependencies: ["OnDemand"], swiftSettings: strict),
        .testTarget(
            name: "OnDemandTests", dependencies: ["OnDemand"], exclude: ["Corpus"], swiftSettings: strict),
    ]
)
