/// Why a URL names no Redis server that the daemon can reach. The password is never part of a sentence.
enum RedisURLError: Error, Equatable, Sendable {
    case encrypted
    case unknownScheme
    case query
    case missingHost
    case hostName(String)
    case invalidIPv6
    case invalidPort
    case invalidDatabase
    case missingPassword
    case percentEncoding
    case bareSlash
    case relativePath
    case invalidPath
    case longPath

    var sentence: String {
        switch self {
        case .encrypted:
            "TLS (rediss://) is not supported; use redis:// or unix:// with a TLS proxy on this machine, such as"
                + " stunnel"
        case .unknownScheme: "unknown scheme; write redis://host:port/db or unix:///path"
        case .query: "parameters are not supported; write redis://host:port/db or unix:///path?db=N"
        case .missingHost: "no host; write redis://127.0.0.1:6379"
        case .hostName(let host):
            "unknown host \(host.quoted); addresses are numeric or localhost, because a static executable has no name"
                + " service"
        case .invalidIPv6: "invalid IPv6 address; write redis://[::1]:6379"
        case .invalidPort: "invalid port; it is a number from 1 to 65535"
        case .invalidDatabase: "invalid database; it is a number such as 0"
        case .missingPassword: "no password before \"@\"; write user:password@ or :password@"
        case .percentEncoding: "\"%\" without two hexadecimal digits; write % as %25"
        case .bareSlash: "\"@\" behind a \"/\"; write a slash in a user or password as %2F"
        case .relativePath: "the path of a socket is absolute; write unix:///run/redis.sock"
        case .invalidPath: "invalid path of a socket"
        case .longPath: "the path of a socket is longer than 107 bytes"
        }
    }
}
