/// The values of `commands`: programs that clients may start, each on a terminal, with its output on a stream.
extension Configuration {
    /// A `commands` entry; its name identifies it across reloads.
    struct Command: Equatable, Sendable {
        var name: String
        /// Where runs are started; exact. Each run is below it, under its ID.
        var path: PathPattern
        /// Name of the cable whose clients get the output.
        var cable: String
        /// What requests need in `Authorization: Bearer`.
        var key: BearerToken
        var launch: LaunchCommand
        var stream: RunStreamName
        /// Names of the parameters, in order. A request has exactly these.
        var parameters: [String] = []
        /// Of a run, from its start to the begin of its stop plan.
        var timeout: Duration = .seconds(600)
        /// Runs at the same time; a request for one more gets 409.
        var maximumRunning = 1
        var stopPlan = StopPlan.politely(for: .seconds(5))

        /// The paths of its runs.
        var runPath: PathPattern { path.ofRuns }

        /// As written in `stream`.
        var streamTemplate: String {
            stream.text { part in
                switch part {
                case .text(let text): text
                case .parameter(let index): "{\(parameters[index])}"
                case .id: "{\(RunStreamName.idName)}"
                }
            }
        }
    }
}

extension PathPattern {
    /// Any one segment below this exact path.
    var ofRuns: PathPattern {
        PathPattern(
            segments: segments + [.placeholder(RunStreamName.idName)], isPrefix: false,
            text: "\(text)/{\(RunStreamName.idName)}")
    }
}
