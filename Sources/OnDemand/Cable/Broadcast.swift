/// One message for the subscribers of one stream: ranges of the request's bytes.
struct Broadcast: Equatable, Sendable {
    let stream: [UInt8]
    /// The value of `data` as it was posted; nil where there was none.
    let data: ByteRange?
    /// The content of `data`, where that is a string that contains JSON.
    let content: [UInt8]?
    /// The `sid` of the one client that does not get it.
    let excludedSocket: [UInt8]?

    /// `message` for Action Cable clients, and what is published to Redis: the JSON inside of `data`, else `data`. No
    /// number is written again.
    func appendMessage(from body: Span<UInt8>, to output: inout [UInt8]) {
        if let content {
            output += content
        } else if let data {
            output.append(copying: body.extracting(data.indices))
        } else {
            output += [0x6e, 0x75, 0x6c, 0x6c]
        }
    }

    /// `data` for TurboCable clients, exactly as posted. Returns whether there is any: else the key is left out.
    func appendData(from body: Span<UInt8>, to output: inout [UInt8]) -> Bool {
        guard let data else { return false }
        output.append(copying: body.extracting(data.indices))
        return true
    }
}
