/// The log: levels, one line per event; a slow reader never blocks the daemon.
final class Log {
    private(set) var level: LogLevel
    private var format: LogFormat
    private var paint: ANSIStyle
    /// Returns the formatted time of day.
    private let time: () -> String
    /// Writes bytes; returns how many the reader accepted.
    private let write: ([UInt8]) -> Int
    /// Lines that a slow reader has not accepted, oldest first.
    private var backlog: [[UInt8]] = []
    private var backlogBytes = 0
    /// Consecutive attempts without progress since the last new line.
    private var vainAttempts = 0
    /// Lines dropped because of a full backlog.
    private var dropped: Int64 = 0
    /// Receives all events instead, at every level; nil writes them here.
    private let listener: ((LogEvent, [LogField]) -> Void)?

    /// Creates a log for a worker thread, whose events another log writes.
    init(listener: @escaping (LogEvent, [LogField]) -> Void) {
        (level, format, paint) = (.debug, .text, .plain)
        (time, write) = ({ "" }, \.count)
        self.listener = listener
    }

    init(
        level: LogLevel, format: LogFormat, paint: ANSIStyle = .plain, time: @escaping () -> String,
        write: @escaping ([UInt8]) -> Int
    ) {
        self.level = level
        self.format = format
        self.paint = paint
        self.time = time
        self.write = write
        listener = nil
    }

    /// Takes new settings, from the next line on.
    func update(level: LogLevel, format: LogFormat, paint: ANSIStyle) {
        self.level = level
        self.format = format
        self.paint = paint
    }

    func callAsFunction(_ event: LogEvent, _ fields: LogField...) { record(event, fields) }

    /// Records an event; the fields are evaluated only for written lines.
    func record(_ event: LogEvent, _ fields: @autoclosure () -> [LogField]) {
        if event.level <= level { tell(event, fields()) }
    }

    private func tell(_ event: LogEvent, _ fields: [LogField]) {
        if let listener { return listener(event, fields) }
        vainAttempts = 0
        // The backlog is full: do not even format the line.
        guard backlogBytes < Limits.logBacklogBytes else {
            dropped += 1
            return
        }
        let line = LogLine(event: event, fields: fields, time: time()).rendered(as: format, paint: paint)
        let taken = backlog.isEmpty ? write(line) : 0
        guard taken < line.count else { return }
        // Always keep the rest of a line that was begun, so that the reader sees whole lines.
        guard taken > 0 || backlogBytes + line.count <= Limits.logBacklogBytes else {
            dropped += 1
            return
        }
        backlog.append(Array(line[taken...]))
        backlogBytes += line.count - taken
    }

    /// Whether `flush` should be called again soon. A reader that has stopped is retried only with new lines, so that a
    /// stalled log never wakes an idle daemon.
    var isWorthRetrying: Bool { !backlog.isEmpty && vainAttempts < Limits.logRetries }

    /// Retries the backlog, at most the given number of lines, and returns how many were written; dropped lines are
    /// counted in a line of their own.
    @discardableResult
    func flush(atMost limit: Int = .max) -> Int {
        var finished = 0
        for (position, line) in backlog.enumerated().prefix(limit) {
            let taken = write(line)
            backlogBytes -= taken
            guard taken == line.count else {
                backlog[position].removeFirst(taken)
                break
            }
            finished += 1
        }
        vainAttempts = finished > 0 ? 0 : vainAttempts + 1
        backlog.removeFirst(finished)
        guard backlog.isEmpty else { return finished }
        backlog = []
        if dropped > 0 {
            let count = dropped
            dropped = 0
            tell(.logLinesDropped, [LogField("count", count)])  // At any level: the lines were enabled.
        }
        return finished
    }
}
