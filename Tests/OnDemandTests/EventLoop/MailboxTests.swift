import Testing

@testable import OnDemand

struct MailboxTests {
    @Test("messages come in the order they were posted, once")
    func order() {
        let mailbox = Mailbox<Int>()
        #expect(mailbox.isEmpty)
        #expect(mailbox.takeAll() == [])
        for message in 1...3 { mailbox.post(message) }
        #expect(!mailbox.isEmpty)
        #expect(mailbox.takeAll() == [1, 2, 3])
        #expect(mailbox.isEmpty)
        #expect(mailbox.takeAll() == [])
    }

    @Test("ten thousand messages leave no memory behind")
    func manyMessages() {
        let mailbox = Mailbox<Int>()
        for message in 0..<10_000 { mailbox.post(message) }
        #expect(mailbox.takeAll().count == 10_000)
        mailbox.post(1)
        #expect(mailbox.takeAll().capacity < 100)
    }

    @Test("a message that is posted during a read is delivered at the next one")
    func meanwhile() {
        let mailbox = Mailbox<Int>()
        mailbox.post(1)
        var read: [Int] = []
        for message in mailbox.takeAll() {
            read.append(message)
            mailbox.post(message + 1)
        }
        #expect(read == [1])
        #expect(mailbox.takeAll() == [2])
    }
}
