/// The log's place and style, by the configuration and by who reads.
extension Daemon {
    /// Whoever rotates logs has moved the file away.
    func reopenLog() {
        guard logOutput.hasFile else { return log(.signalIgnored, LogField("signal", "USR1")) }
        // What waits for room belongs into the file that is left.
        log.flush()
        do throws(SystemError) {
            try logOutput.reopen()
            log(.logReopened)
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    func updateLog(_ settings: Configuration.Log, _ prepared: LogOutput<K>.Prepared) {
        log.flush()
        logOutput.update(prepared)
        let style = settings.style(for: kernel.logReader)
        log.update(level: settings.level, format: style.format, paint: style.paint)
    }
}

extension Configuration.Log {
    var place: LogPlace? { file.map { LogPlace(path: $0, maximumBytes: maximumBytes) } }

    /// A file is read by anybody, some day.
    func style(for reader: LogReader) -> (format: LogFormat, paint: ANSIStyle) {
        switch reader {
        case _ where file != nil: (format, .plain)
        case .journal where format == .auto: (.journal, .plain)
        case .terminal(let terminal): (format, terminal.paint)
        case .journal, .anybody: (format, .plain)
        }
    }
}
