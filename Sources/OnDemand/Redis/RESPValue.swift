/// One reply of a Redis server (RESP2). Strings may hold any bytes.
indirect enum RESPValue: Equatable, Sendable {
    case status([UInt8])
    case error([UInt8])
    case integer(Int)
    /// nil: the null string, for "there is none".
    case string([UInt8]?)
    /// nil: the null array.
    case array([RESPValue]?)
}
