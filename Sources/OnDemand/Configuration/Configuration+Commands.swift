/// The values of `commands`: programs that clients may start, each on a terminal, with its output on a stream.
extension Configuration {
    /// A `commands` entry: a definition, and the way to it. Its name identifies it across reloads.
    @dynamicMemberLookup
    struct Command: Equatable, Sendable {
        var definition: CommandDefinition
        /// Where runs are started; exact. Each run is below it, under its ID.
        var path: PathPattern
        /// What requests need in `Authorization: Bearer`.
        var key: BearerToken

        subscript<Value>(dynamicMember member: WritableKeyPath<CommandDefinition, Value>) -> Value {
            get { definition[keyPath: member] }
            set { definition[keyPath: member] = newValue }
        }

        /// The paths of its runs.
        var runPath: PathPattern { path.ofRuns }

        /// As written in `stream`.
        var streamTemplate: String {
            definition.stream.text { part in
                switch part {
                case .text(let text): text
                case .parameter(let index): "{\(definition.parameters[index])}"
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
