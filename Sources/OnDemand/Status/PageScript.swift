/// The script of the page: one module. Its parts use each other's names.
enum PageScript {
    static var text: String {
        let parts = [
            PageRequests.asking, PageTexts.script, PageTimeline.script, PageDay.script, PageWebSocketClient.script,
            PageServiceOperations.script, PageOutput.script, PageServiceCard.script, PageCableForms.subscription,
            PageCableForms.broadcast, PageCableCard.script, PageCommandCard.script, PageRequests.stream,
        ]
        return parts.joined(separator: "\n")
    }
}
