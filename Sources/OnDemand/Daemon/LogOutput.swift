/// The destination of the log: standard error, or a file with a size limit and one predecessor.
///
/// - A file that would exceed its limit is renamed to `NAME.1` and a new one is opened.
/// - A line that began in a file is finished in that file.
/// - Lines that a full disk does not accept stay queued, like those of a slow reader.
/// - If no new file can be opened, lines go to standard error, and each later line tries again.
///
/// No failure of a disk ends or blocks the daemon.
final class LogOutput<K: Kernel> {
    private struct File {
        var place: LogPlace
        /// nil: the file cannot be opened.
        var descriptor: Descriptor?
        /// Size in bytes. nil: not a regular file, so no limit applies.
        var byteCount: UInt64? = 0
        /// A line is partially written and continues in this file.
        var isInLine = false
    }

    private let kernel: K
    private var file: File?
    private var hasComplained = false

    init(kernel: K) { self.kernel = kernel }

    var hasFile: Bool { file != nil }

    // MARK: Opening

    /// An opened file that is not in use yet. All steps that can fail are done.
    struct Prepared {
        fileprivate let place: LogPlace?
        fileprivate let opened: LogFile?
    }

    func prepare(_ place: LogPlace?) throws(SystemError) -> Prepared {
        guard let place, place.path != file?.place.path else { return Prepared(place: place, opened: nil) }
        return Prepared(place: place, opened: try kernel.openLogFile(place.path))
    }

    func update(_ prepared: Prepared) {
        guard let place = prepared.place else { return close() }
        guard let opened = prepared.opened else {
            file?.place = place
            return
        }
        close()
        file = File(place: place, descriptor: opened.descriptor, byteCount: opened.byteCount)
    }

    func abandon(_ prepared: Prepared) {
        if let opened = prepared.opened { kernel.close(opened.descriptor) }
    }

    /// Reopens the file after it was moved away. On failure the old one stays in use.
    func reopen() throws(SystemError) {
        guard let place = file?.place else { return }
        let opened = try kernel.openLogFile(place.path)
        close()
        file = File(place: place, descriptor: opened.descriptor, byteCount: opened.byteCount)
    }

    /// Closes the file. Later lines go to standard error.
    func close() {
        if let descriptor = file?.descriptor { kernel.close(descriptor) }
        file = nil
        hasComplained = false
    }

    // MARK: Writing

    /// Writes a line. Returns the number of bytes accepted.
    func write(_ line: [UInt8]) -> Int {
        guard let file else { return kernel.log(line.span) }
        if file.descriptor == nil || (!file.isInLine && isFull(for: line.count)) { beginAnew() }
        guard let descriptor = self.file?.descriptor, self.file?.isInLine == true || !isFull(for: line.count) else {
            return kernel.log(line.span)
        }
        let taken = kernel.append(line.span, to: descriptor)
        if let byteCount = self.file?.byteCount { self.file?.byteCount = byteCount + UInt64(taken) }
        self.file?.isInLine = taken > 0 ? taken < line.count : file.isInLine
        return taken
    }

    /// A line longer than the limit gets a file of its own.
    private func isFull(for count: Int) -> Bool {
        guard let file, let byteCount = file.byteCount else { return false }
        return byteCount > 0 && byteCount + UInt64(count) > file.place.maximumBytes
    }

    private func beginAnew() {
        guard let place = file?.place else { return }
        do throws(SystemError) {
            if let descriptor = file?.descriptor {
                try kernel.moveLogFile(descriptor, named: place.path, suffix: LogPlace.predecessorSuffix)
                kernel.close(descriptor)
                file?.descriptor = nil
            }
            let opened = try kernel.openLogFile(place.path)
            file = File(place: place, descriptor: opened.descriptor, byteCount: opened.byteCount)
            hasComplained = false
        } catch {
            // Reported once on standard error, where the lines go until a file can be opened.
            if !hasComplained { _ = kernel.log(Array("ondemandd: \(error); the log goes on here\n".utf8).span) }
            hasComplained = true
        }
    }
}

/// A log file and its size limit.
struct LogPlace: Equatable {
    let path: String
    let maximumBytes: UInt64

    /// Suffix of the predecessor.
    static var predecessorSuffix: String { ".1" }
}
