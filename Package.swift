// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target: Swift 6, warnings are errors, unsafe code is marked.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Regular expressions are not used, and their support takes 1.3 MB of an executable.
let withoutRegularExpressions: SwiftSetting = .unsafeFlags([
    "-Xfrontend", "-disable-implicit-string-processing-module-import",
])

/// A release executable includes the Swift runtime, so that it is one file to copy. The linker leaves out unused
/// sections and merges those with equal code.
let selfContained: [LinkerSetting] = [
    .unsafeFlags(
        ["-static-stdlib", "-Xlinker", "--gc-sections", "-Xlinker", "--icf=all"], .when(configuration: .release))
]

let package = Package(
    name: "ondemandd",
    products: [
        .executable(name: "ondemandd", targets: ["ondemandd"]),
        .executable(name: "cable-double", targets: ["cable-double"]),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .target(name: "OnDemand", dependencies: ["CLinux"], swiftSettings: strict + [withoutRegularExpressions]),
        .executableTarget(
            name: "ondemandd", dependencies: ["OnDemand"], swiftSettings: strict + [withoutRegularExpressions],
            linkerSettings: selfContained),
        .executableTarget(
            name: "cable-double", dependencies: ["OnDemand"], swiftSettings: strict, linkerSettings: selfContained),
        .testTarget(
            name: "OnDemandTests", dependencies: ["OnDemand"], exclude: ["Corpus"], swiftSettings: strict),
    ]
)

// `make fuzz` builds the properties of the tests for libFuzzer. No other build has these targets.
if Context.environment["FUZZ"] != nil {
    package.products.append(.executable(name: "fuzz", targets: ["fuzz"]))
    package.targets.removeAll { $0.isTest }
    package.targets += [
        .target(
            name: "FuzzTargets", dependencies: ["OnDemand"], path: "Tests/OnDemandTests/Fuzzing",
            exclude: ["FuzzReplayTests.swift"], swiftSettings: strict),
        .executableTarget(
            name: "fuzz", dependencies: ["FuzzTargets"], path: "Fuzz/Driver", swiftSettings: strict),
    ]
}
