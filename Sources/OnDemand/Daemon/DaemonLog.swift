/// The log of the daemon: its destination and style by the configuration, and lines that a stalled reader delays.
///
/// Invariant: the retry timer is armed while lines wait and the reader may take them.
final class DaemonLog<K: Kernel> {
    let log: Log
    private let output: LogOutput<K>
    private let reactor: Reactor<K>
    private var retryIsArmed = false
    private var retryPause = Limits.logRetryFirst

    init(_ settings: Configuration.Log, reactor: Reactor<K>) throws(SystemError) {
        let kernel = reactor.kernel
        self.reactor = reactor
        let output = LogOutput(kernel: kernel)
        output.update(try output.prepare(settings.place))
        self.output = output
        let style = settings.style(for: kernel.logReader)
        log = Log(
            level: settings.level, format: style.format, paint: style.paint,
            time: {
                let clock = kernel.wallClock()
                return TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
            },
            write: { output.write($0) })
    }

    // MARK: Lines that wait

    /// At the end of each iteration. Inlined because it runs for every message.
    @inline(__always)
    func iterationEnded() {
        if log.isWorthRetrying { armRetry() }
    }

    private func armRetry() {
        guard !retryIsArmed else { return }
        retryIsArmed = true
        reactor.arm(TimerKey(DaemonTimer.logRetry), at: reactor.kernel.now() + retryPause)
    }

    /// Flushes the log. The delay doubles while the reader is stalled, up to `Limits.logRetryLongest`.
    func retry() {
        let finished = log.flush(atMost: Limits.logLinesPerFlush)
        let isSlow = log.isWorthRetrying && finished < Limits.logLinesPerFlush
        retryPause = isSlow ? min(retryPause * 2, Limits.logRetryLongest) : Limits.logRetryFirst
        retryIsArmed = false
    }

    // MARK: Destination

    func prepare(_ settings: Configuration.Log) throws(SystemError) -> LogOutput<K>.Prepared {
        try output.prepare(settings.place)
    }

    func abandon(_ prepared: LogOutput<K>.Prepared) { output.abandon(prepared) }

    func update(_ settings: Configuration.Log, _ prepared: LogOutput<K>.Prepared) {
        log.flush()
        output.update(prepared)
        let style = settings.style(for: reactor.kernel.logReader)
        log.update(level: settings.level, format: style.format, paint: style.paint)
    }

    /// Reopens the log file after a rotation moved it away.
    func reopen() {
        guard output.hasFile else { return log(.signalIgnored, LogField("signal", "USR1")) }
        // Pending lines belong to the old file.
        log.flush()
        do throws(SystemError) {
            try output.reopen()
            log(.logReopened)
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    func close() {
        log.flush()
        output.close()
    }
}

extension Configuration.Log {
    var place: LogPlace? { file.map { LogPlace(path: $0, maximumBytes: maximumBytes) } }

    /// A file is plain: its readers are unknown.
    func style(for reader: LogReader) -> (format: LogFormat, paint: ANSIStyle) {
        switch reader {
        case _ where file != nil: (format, .plain)
        case .journal where format == .auto: (.journal, .plain)
        case .terminal(let terminal): (format, terminal.paint)
        case .journal, .other: (format, .plain)
        }
    }
}
