/// Checks that requirements can be met.
extension ConfigurationDraft {
    /// An entry that requires others or can be required.
    private struct Member {
        let name: Located<String>
        let isEnabled: Bool
        let isStartedByUs: Bool
        let requires: [Located<String>]
    }

    private var members: [Member] {
        let services = services.compactMap { service in
            service.name.map { name in
                Member(
                    name: name, isEnabled: service.enabled, isStartedByUs: service.launch != nil,
                    requires: service.requires)
            }
        }
        let processes = processes.compactMap { process in
            process.name.map { name in
                Member(name: name, isEnabled: process.enabled, isStartedByUs: true, requires: process.requires)
            }
        }
        return services + processes
    }

    func impossibleRequirements() -> [ConfigurationError] {
        let members = members
        let known = Dictionary(members.map { ($0.name.value, $0) }, uniquingKeysWith: { first, _ in first })
        let names = members.map(\.name.value)
        var broken: [ConfigurationError] = []
        for member in members {
            for required in member.requires {
                // Suggestions compare with every name, so make them only for errors that are shown.
                let candidates = broken.count < ConfigurationErrors.shownAtMost ? names : []
                if let error = error(in: required, of: member, known, candidates) { broken.append(error) }
            }
        }
        return broken + circles(of: members) + forgotten(members)
    }

    private func error(
        in required: Located<String>, of member: Member, _ known: [String: Member], _ names: [String]
    ) -> ConfigurationError? {
        let name = required.value.quoted
        guard required.value != member.name.value else { return required.error("\(name) cannot require itself") }
        guard let other = known[required.value] else {
            let hint = Suggestion.sentence(for: required.value, among: names)
            return required.error("\(name) is not the name of a process or service\(hint)")
        }
        if !other.isStartedByUs {
            return required.error("\(name) has no command and cannot be started; remove it here")
        }
        if member.isEnabled, !other.isEnabled {
            let requirer = member.name.value.quoted
            return required.error("\(name) is not enabled, and \(requirer) cannot start without it")
        }
        return nil
    }

    /// Returns each circular requirement once, at one entry of the circle; the search then continues without it.
    private func circles(of members: [Member]) -> [ConfigurationError] {
        var entries = members.map { member in
            DependencyOrder.Entry(
                name: member.name.value, requires: member.requires.map(\.value).filter { $0 != member.name.value })
        }
        var errors: [ConfigurationError] = []
        while errors.count < ConfigurationErrors.shownAtMost, let cycle = DependencyOrder.cycle(in: entries),
            let place = entries.firstIndex(where: { $0.name == cycle[0] })
        {
            let circle = cycle.joined(separator: " -> ")
            if let required = members[place].requires.first(where: { $0.value == cycle[1] }) {
                errors.append(required.error("circular requirement: \(circle)"))
            }
            let rest = entries[place].requires.filter { $0 != cycle[1] }
            entries[place] = DependencyOrder.Entry(name: cycle[0], requires: rest)
        }
        return errors
    }

    /// Returns processes that no entry requires and that would never start.
    private func forgotten(_ members: [Member]) -> [ConfigurationError] {
        let required = Set(members.flatMap { $0.requires.map(\.value) })
        return processes.filter { !$0.policy.alwaysOn && $0.enabled }.compactMap(\.name).compactMap { name in
            guard !required.contains(name.value) else { return nil }
            return name.error("no service or process requires \(name.value.quoted), so it would never be started")
        }
    }
}
