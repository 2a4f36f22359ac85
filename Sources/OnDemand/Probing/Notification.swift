/// A message on a notify socket: assignments, one per line (sd_notify(3)).
///
/// Only READY=1 has an effect. STATUS=, STOPPING=1, WATCHDOG=1 and others are ignored.
enum Notification {
    static func saysReady(_ message: Span<UInt8>) -> Bool {
        let ready = Array("READY=1".utf8)
        var start = 0
        for index in 0...message.count where index == message.count || message[index] == 0x0a {
            if index - start == ready.count, ready.indices.allSatisfy({ message[start + $0] == ready[$0] }) {
                return true
            }
            start = index + 1
        }
        return false
    }
}
