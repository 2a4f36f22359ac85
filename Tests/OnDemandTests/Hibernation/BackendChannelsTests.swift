import Testing

@testable import OnDemand

/// R24: what is known of a subscription.
struct BackendChannelsTests {
    private func channels() throws -> BackendChannels {
        let templates = try ["chat-{room}", "chat-{room}-{lang}"].map { text throws in try StreamTemplate(text) }
        return BackendChannels(listed: [
            ReplayableChannel(name: Array("ChatChannel".utf8), streams: templates),
            ReplayableChannel(name: Array("CursorChannel".utf8), hasStatelessActions: true, streams: []),
            ReplayableChannel(name: Array("FeedChannel".utf8)),
        ])
    }

    private func properties(_ identifier: String) throws -> BackendChannels.Properties {
        try channels().properties(of: Array(identifier.utf8))
    }

    private func streams(_ identifier: String) throws -> [String]? {
        try properties(identifier).streams.map { $0.map { String(decoding: $0, as: UTF8.self) } }
    }

    @Test("a listed channel's streams are made of its parameters")
    func templates() throws {
        #expect(
            try streams(#"{"channel":"ChatChannel","room":"a","lang":"de"}"#) == ["chat-a", "chat-a-de"])
        #expect(try streams(#"{"lang":"de","room":7,"channel":"\u0043hatChannel"}"#) == ["chat-7", "chat-7-de"])
        #expect(try properties(#"{"channel":"ChatChannel","room":"a","lang":"de"}"#).hasStatelessActions == false)
    }

    @Test("a stream whose parameter is missing makes all streams unknown", arguments: ["1", "null", "[]", "{}"])
    func missing(value: String) throws {
        #expect(try streams(#"{"channel":"ChatChannel","room":\#(value)}"#) == nil)
        #expect(try properties(#"{"channel":"ChatChannel"}"#).isReplayable)
    }

    @Test("without streams nothing is heard, and with an empty list nothing is to be heard")
    func none() throws {
        #expect(try properties(#"{"channel":"FeedChannel"}"#) == .init(isReplayable: true))
        let cursor = BackendChannels.Properties(isReplayable: true, hasStatelessActions: true, streams: [])
        #expect(try properties(#"{"channel":"CursorChannel"}"#) == cursor)
    }

    @Test("a Turbo stream is replayable, and its name is in the signed value")
    func turbo() throws {
        let signed = "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628"
        let identifier = #"{"channel":"Turbo::StreamsChannel","signed_stream_name":"\#(signed)"}"#
        #expect(try streams(identifier) == ["chat:2021"])
        #expect(try properties(identifier).isReplayable && properties(identifier).hasStatelessActions)
        for name in ["", "x", "ImNoYXQ6MjAyMSI=", "%%--\(signed.suffix(64))"] {
            let unreadable = #"{"channel":"Turbo::StreamsChannel","signed_stream_name":"\#(name)"}"#
            #expect(try properties(unreadable).isReplayable && properties(unreadable).streams == nil, "\(name)")
        }
        #expect(try properties(#"{"channel":"Turbo::StreamsChannel"}"#).streams == nil)
    }

    @Test(
        "any other subscription keeps the backend awake",
        arguments: [
            #"{"channel":"GameChannel"}"#, #"{"channel":"chatchannel"}"#, #"{"room":"1"}"#, "ChatChannel", "", "[]",
            #"{"channel":["ChatChannel"]}"#, #"{"channel":null}"#, #"{"channel":"Turbo::StreamsChannelX"}"#, "{",
        ])
    func unknown(identifier: String) throws { #expect(try properties(identifier) == BackendChannels.Properties()) }
}
