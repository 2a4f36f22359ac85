import Foundation
import Testing

@testable import OnDemand

/// The colours of the page, by the formula of the Web Content Accessibility Guidelines (WCAG 2.1, 1.4.3 and 1.4.11).
struct StatusPageColourTests {
    /// Text colours, and their backgrounds.
    private static let texts = ["ink", "muted", "action", "failed", "asleep", "starting", "awake", "stopping", "plain"]
    private static let grounds = ["paper", "card", "well"]
    /// Fills with text in `--on-colour`: buttons, and the current stage.
    private static let fills = ["action", "asleep", "starting", "awake", "stopping", "failed", "plain"]

    @Test("text has enough contrast on each of its backgrounds, in both themes", arguments: ["light", "dark"])
    func texts(theme: String) throws {
        let colours = try Self.colours(theme)
        for ground in Self.grounds {
            for text in Self.texts {
                let ratio = try #require(Self.contrast(colours[text], colours[ground]))
                #expect(ratio >= 4.5, "\(theme): \(text) on \(ground) has \(ratio)")
            }
        }
        for fill in Self.fills {
            let ratio = try #require(Self.contrast(colours["on-colour"], colours[fill]))
            #expect(ratio >= 4.5, "\(theme): on \(fill) it is \(ratio)")
        }
    }

    @Test("every text colour in the page is one of these")
    func complete() {
        let used = Set(
            PageStyle.general.matches(of: /(?:^|[{;\s])color: var\(--([a-z-]+)\)/).map { String($0.1) })
        #expect(used.subtracting(Self.texts).subtracting(["on-colour", "state"]).isEmpty, "\(used)")
        let states = Set(PageStyle.general.matches(of: /--state: var\(--([a-z-]+)\)/).map { String($0.1) })
        #expect(states.isSubset(of: Self.fills) && states.count == 6)
        #expect(Self.contrast("#ffffff", "#000000") == 21 && Self.contrast("#777777", "#ffffff")! < 4.5)
    }

    /// The variables of a theme, by name. The dark one is written after the light one, in a query of its own.
    private static func colours(_ theme: String) throws -> [String: String] {
        let parts = PageStyle.general.components(separatedBy: "@media (prefers-color-scheme: dark)")
        let blocks = try parts.prefix(2).map { part in
            try #require(part.firstMatch(of: /:root \{([^}]+)\}/)).1
        }
        let found = blocks[theme == "light" ? 0 : 1].matches(of: /--([a-z-]+): (#[0-9a-f]{6});/)
        return Dictionary(uniqueKeysWithValues: found.map { (String($0.1), String($0.2)) })
    }

    private static func contrast(_ one: String?, _ other: String?) -> Double? {
        guard let one, let other else { return nil }
        let (brighter, darker) = (max(luminance(one), luminance(other)), min(luminance(one), luminance(other)))
        return (brighter + 0.05) / (darker + 0.05)
    }

    private static func luminance(_ colour: String) -> Double {
        let number = Int(colour.dropFirst(), radix: 16)!
        let parts = [16, 8, 0].map { shift in
            let part = Double((number >> shift) & 0xff) / 255
            return part <= 0.03928 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
}
