import Testing

@testable import OnDemand

struct NotificationTests {
    @Test(
        "only a line of its own with READY=1 means readiness",
        arguments: [
            ("READY=1", true), ("READY=1\n", true), ("STATUS=loading\nREADY=1\nMAINPID=7", true), ("", false),
            ("READY=10", false), ("READY=0", false), ("STATUS=READY=1", false), ("XREADY=1", false),
            ("READY=1\0", false), ("STOPPING=1\nWATCHDOG=1", false), ("\n\nREADY=1", true),
        ])
    func readiness(message: String, saysSo: Bool) {
        let bytes = Array(message.utf8)
        #expect(Notification.saysReady(bytes.span) == saysSo)
    }
}
