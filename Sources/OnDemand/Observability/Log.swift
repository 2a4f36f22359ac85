/// Where everybody writes what happened: levels, one line per event, and never a wait for whoever reads it.
final class Log {
    private(set) var level: LogLevel
    private var format: LogFormat
    private var paint: ANSIStyle
    /// The time of day, already formatted.
    private let time: () -> String
    /// Bytes to the reader; how many it took before it was too slow.
    private let write: ([UInt8]) -> Int
    /// What a slow reader has still to get, oldest first.
    private var backlog: [[UInt8]] = []
    private var backlogBytes = 0
    /// Attempts in a row that handed nothing over, since something was last said.
    private var vainAttempts = 0
    /// Lines that found the backlog full.
    private var dropped: Int64 = 0
    /// Where everything goes instead, at every level: another log writes it.
    private let listener: ((LogEvent, [LogField]) -> Void)?

    /// For a thread that does not write by itself.
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

    /// From the next line on.
    func update(level: LogLevel, format: LogFormat, paint: ANSIStyle) {
        self.level = level
        self.format = format
        self.paint = paint
    }

    func callAsFunction(_ event: LogEvent, _ fields: LogField...) { record(event, fields) }

    /// The fields are made only for a line that is written.
    func record(_ event: LogEvent, _ fields: @autoclosure () -> [LogField]) {
        if event.level <= level { tell(event, fields()) }
    }

    private func tell(_ event: LogEvent, _ fields: [LogField]) {
        if let listener { return listener(event, fields) }
        vainAttempts = 0
        // Known to be full: a line that nobody will read is not even written.
        guard backlogBytes < Limits.logBacklogBytes else {
            dropped += 1
            return
        }
        let line = LogLine(event: event, fields: fields, time: time()).rendered(as: format, paint: paint)
        let taken = backlog.isEmpty ? write(line) : 0
        guard taken < line.count else { return }
        // The rest of a line that was begun is always kept, so that the reader never sees half of one.
        guard taken > 0 || backlogBytes + line.count <= Limits.logBacklogBytes else {
            dropped += 1
            return
        }
        backlog.append(Array(line[taken...]))
        backlogBytes += line.count - taken
    }

    /// Whether `flush` is to be called again soon. A reader that has stopped for good is not asked again before there
    /// is something new to say: asleep nothing wakes, whatever becomes of the log.
    var isWorthRetrying: Bool { !backlog.isEmpty && vainAttempts < Limits.logRetries }

    /// Tries again to hand over what waits, at most so many lines, and returns how many were taken; what had to be
    /// dropped meanwhile is counted in a line of its own.
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
            tell(.logLinesDropped, [LogField("count", count)])  // At any level: the lines were asked for.
        }
        return finished
    }
}
