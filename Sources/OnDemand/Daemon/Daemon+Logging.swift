/// Destination and style of the log, by the configuration and the kind of reader.
extension Daemon {
    /// Reopens the log file after a rotation moved it away.
    func reopenLog() {
        guard logOutput.hasFile else { return log(.signalIgnored, LogField("signal", "USR1")) }
        // Pending lines belong to the old file.
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
