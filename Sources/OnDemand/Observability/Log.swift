/// Where everybody writes what happened: levels, one line per event, and never a wait for whoever reads it.
final class Log {
    let level: LogLevel
    private let format: LogFormat
    /// The time of day, already formatted.
    private let time: () -> String
    /// One line to its reader; false when the reader is too slow and the line is lost.
    private let write: ([UInt8]) -> Bool
    private var dropped: Int64 = 0

    init(level: LogLevel, format: LogFormat, time: @escaping () -> String, write: @escaping ([UInt8]) -> Bool) {
        self.level = level
        self.format = format
        self.time = time
        self.write = write
    }

    func callAsFunction(_ event: LogEvent, _ fields: LogField...) { record(event, fields) }

    func record(_ event: LogEvent, _ fields: [LogField]) {
        guard event.level <= level else { return }
        if dropped > 0, !tell(.linesDropped, [LogField("count", dropped)]) {
            dropped += 1
            return
        }
        dropped = tell(event, fields) ? 0 : 1
    }

    private func tell(_ event: LogEvent, _ fields: [LogField]) -> Bool {
        write(LogLine(event: event, fields: fields, time: time()).rendered(as: format))
    }
}
