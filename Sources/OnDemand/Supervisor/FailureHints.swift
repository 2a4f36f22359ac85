/// What the system shows about the cause of a failed start: text behind the detail, or none.
struct FailureHints<K: Kernel> {
    let kernel: K
    let command: LaunchCommand
    let address: SocketAddress?
    let process: ProcessID?
    /// The last lines of the process.
    let output: [String]

    func text(_ question: BackendFailure.Question) -> String {
        switch question {
        case .spawn(let error): spawn(error)
        case .exit(let exit): script(exit) + timeWait
        case .listener: otherListeners
        }
    }

    /// Why a command could not be executed.
    private func spawn(_ error: SystemError) -> String {
        guard error.code == .noSuchFile else { return "" }
        let hint =
            if error.call == "execve" {
                kernel.beginning(ofProgramOf: command, atMost: Limits.scriptLineBytes).flatMap(LaunchHint.ofFile)
            } else {
                LaunchHint.ofCommand(command.command)
            }
        return hint.map { ": \($0)" } ?? ""
    }

    /// What shells and env(1) exit with where they cannot run a command (POSIX, 2.8.2), and what else a file or its
    /// arguments show.
    private func script(_ exit: Exit) -> String {
        let isUnrunnable = exit == .status(126) || exit == .status(127)
        let script = isUnrunnable ? kernel.beginning(ofProgramOf: command, atMost: Limits.scriptLineBytes) : nil
        let hint = script.flatMap(LaunchHint.ofScript) ?? LaunchHint.ofArguments(command.arguments)
        return hint.map { "; \($0)" } ?? ""
    }

    /// It does listen, only elsewhere.
    private var otherListeners: String {
        guard let process, let address else { return "" }
        let places = kernel.listeningAddresses(ofTreeOf: process, atMost: Limits.namedProcesses)
            .filter { $0 != address }
        guard !places.isEmpty else { return "" }
        return "; it listens on \(places.map(\.description).joined(separator: ", ")), the target is \(address)"
    }

    private var timeWait: String {
        guard let address, address.port != nil,
            output.contains(where: { $0.lowercased().pieces(between: "address already in use").count > 1 }),
            kernel.listenerOwner(at: address) == nil, kernel.hasTimeWait(at: address)
        else { return "" }
        return "; no process listens at \(address), but earlier connections to it are in TIME_WAIT for up to 60 s: the"
            + " server must set SO_REUSEADDR"
    }
}
