/// The limits of commands: of their requests, runs and output.
extension Limits {
    /// A parameter of a run, in bytes: names of databases and numbers of records are shorter by far. A longer one gets
    /// 400.
    static let commandParameterBytes = 1...128
    /// The name of a parameter; it becomes the name of an environment variable.
    static let commandParameterNameBytes = 1...64
    /// The ID of a run: 128 random bits in Base64 for URLs, without padding.
    static let runIDBytes = 22
    /// The body of a request for a run: all parameters that a command may have, with some room. A larger one gets 413.
    static let commandBodyBytes: UInt64 = 64 * 1024
    /// Ended runs of one command that are known, and for how long: a page asks for the result at once. Beyond it 404.
    static let keptRuns = 20
    static let keptRunTime: Duration = .seconds(600)
    /// `Retry-After` of a request for a run while the daemon shuts down.
    static let runRetry: Duration = .seconds(5)
    /// Output waits this long for the first subscriber of its stream: a page has to load. Then it flows.
    static let firstSubscriberTimeout: Duration = .seconds(10)
    /// Output that waits for it. Beyond it the terminal is not read, and the program waits when it is full.
    static let heldOutputBytes = 64 * 1024
    /// The same of all runs of a command, each of which counts with `heldRunBytes` at least: 64 runs that have printed
    /// that much, or 1024 that have printed nothing. Beyond it the output of the oldest run leaves at once.
    static let heldCommandBytes = 4 * 1024 * 1024
    static let heldRunBytes = 4 * 1024
    /// Bytes that are read behind the end of a run's processes; the kernel keeps less in a terminal. More are of a
    /// process outside of the run that holds the terminal: they are not read, and the run ends.
    static let terminalRestBytes = 128 * 1024
    /// Output in one message. A longer one is cut.
    static let commandMessageBytes = 16 * 1024
    /// Between two messages that are not full: 20 in a second, as fast as a person sees changes.
    static let commandMessagePause: Duration = .milliseconds(50)
    /// Output of one run that is read per second, and what may be read at once; beyond it the program waits. A browser
    /// shows less.
    static let commandOutputRate = 4 * 1024 * 1024
    static let commandOutputBurst: Duration = .microseconds(62_500)
    /// Output that waits for an operator who follows a run: one second of it. A follower that does not keep up is
    /// disconnected, and the run goes on.
    static let followedOutputBytes = 4 * 1024 * 1024
    /// One read of a terminal; the kernel returns a quarter of it at most.
    static let terminalReadBytes = 16 * 1024
    /// Reads of one terminal and of all in an iteration of the event loop; the rest is read in later iterations. All of
    /// them have `outputTimePerTurn` besides.
    static let terminalReadsPerTurn = 16
    static let allTerminalReadsPerTurn = 64
    /// The size of a run's terminal: what programs expect that know no other.
    static let terminalColumns: UInt16 = 80
    static let terminalRows: UInt16 = 24
    /// A shutdown sends KILL to runs this long before its drain time is over, or at a quarter of that time before, if
    /// that is shorter: their last messages have to leave.
    static let runKillLead: Duration = .seconds(1)
}
