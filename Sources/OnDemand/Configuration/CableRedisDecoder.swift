/// Decodes `redis` of a cable.
struct CableRedisDecoder {
    let reader: ConfigurationReader

    func redis(_ node: ConfigurationNode) -> Located<Configuration.Cable.Redis>? {
        guard let fields = reader.fields(of: node, as: .cableRedis) else { return nil }
        let prefix = fields["channel_prefix"].flatMap { channelPrefix($0) } ?? ""
        guard let node = reader.required("url", in: fields, purpose: "it says where the Redis server is"),
            let url = redisURL(node)
        else { return nil }
        return node.located(Configuration.Cable.Redis(url: url, channelPrefix: prefix.isEmpty ? nil : prefix))
    }

    /// It may hold a password, so no message repeats it.
    private func redisURL(_ node: ConfigurationNode) -> RedisURL? {
        guard let text = reader.secretText(node, expected: "a URL such as \"redis://127.0.0.1:6379/0\"") else {
            return nil
        }
        do throws(RedisURLError) {
            return try RedisURL(text.value)
        } catch {
            reader.report(node, "the URL\(text.source) is not usable: \(error.sentence)")
            return nil
        }
    }

    private func channelPrefix(_ node: ConfigurationNode) -> String? {
        reader.parsed(node, expected: "a prefix in quotes") { text throws(ValueProblem) in
            guard text.utf8.count <= KeyRange.channelPrefixBytes else {
                throw ValueProblem("is longer than \(KeyRange.channelPrefixBytes) bytes")
            }
            return text
        }?.value
    }
}
