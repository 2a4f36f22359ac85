/// Output that waits for the first subscribers of streams.
extension CommandRunner {
    /// Bounds the output of a command's runs that waits for subscribers: that of the oldest run leaves first.
    func boundHeldOutput(_ run: Run) {
        let index = run.command.index
        commands[index]!.heldBytes += run.output.heldBytes - run.heldBytes
        run.heldBytes = run.output.heldBytes
        while commands[index]?.heldBytes ?? 0 > Limits.heldCommandBytes, let oldest = oldestHeld(of: index) {
            oldest.output.release(at: kernel.now())
            settle(oldest)
        }
    }

    private func oldestHeld(of index: Int) -> Run? {
        runs.lazy.compactMap(\.self).filter { $0.command.index == index && $0.heldBytes > 0 }.min {
            $0.startedAt < $1.startedAt
        }
    }
}
