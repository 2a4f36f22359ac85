/// Where the lines of the log go: standard error, or a file that stays below its bound by beginning anew, with one
/// predecessor beside it.
///
/// Nothing that becomes of a disk ends the daemon or makes it wait. What a full one does not take is kept and counted
/// like the lines of a slow reader; where a file cannot be begun anew, the lines go to standard error meanwhile.
final class LogOutput<K: Kernel> {
    private struct File {
        var place: LogPlace
        /// nil while it cannot be opened.
        var descriptor: Descriptor?
        /// nil where no bound is kept, because the path names no regular file.
        var byteCount: UInt64? = 0
        /// The rest of a line is still to come; it stays in the file in which the line began.
        var isInLine = false
    }

    private let kernel: K
    private var file: File?
    private var hasComplained = false

    init(kernel: K) { self.kernel = kernel }

    var hasFile: Bool { file != nil }

    // MARK: Opening

    /// A place with an open file, not yet in use: everything that can fail about a change has been tried.
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

    /// Somebody has moved the file away; the one in use stays until there is another.
    func reopen() throws(SystemError) {
        guard let place = file?.place else { return }
        let opened = try kernel.openLogFile(place.path)
        close()
        file = File(place: place, descriptor: opened.descriptor, byteCount: opened.byteCount)
    }

    /// From here on standard error gets the lines.
    func close() {
        if let descriptor = file?.descriptor { kernel.close(descriptor) }
        file = nil
        hasComplained = false
    }

    // MARK: Writing

    /// How many bytes were taken.
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

    /// A line that alone is longer than the bound has a file to itself.
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
            // Told where the lines go meanwhile, once.
            if !hasComplained { _ = kernel.log(Array("ondemandd: \(error); the log goes on here\n".utf8).span) }
            hasComplained = true
        }
    }
}

/// A log's file and how large it may become.
struct LogPlace: Equatable {
    let path: String
    let maximumBytes: UInt64

    /// Of the one generation that is kept.
    static var predecessorSuffix: String { ".1" }
}
