/// Output that waits for the first subscribers of streams.
extension CommandRunner {
    /// Bounds the output of a command's runs that waits for subscribers: that of the oldest run leaves first.
    func boundHeldOutput(_ run: CommandRun) {
        commands.changeHeldOutput(by: run.output.heldBytes - run.heldBytes, of: run.command)
        run.heldBytes = run.output.heldBytes
        while commands.holdsTooMuch(run.command), let oldest = oldestHeld(of: run.command) {
            oldest.output.release(at: kernel.now())
            settle(oldest)
        }
    }

    private func oldestHeld(of command: CommandID) -> CommandRun? {
        runs.lazy.compactMap(\.self).filter { $0.command == command && $0.heldBytes > 0 }.min {
            $0.startedAt < $1.startedAt
        }
    }
}
