@testable import OnDemand

/// The phases without their data: the sections of docs/EXCHANGE.md.
enum ExchangePlace: String, CaseIterable {
    case readingProxyHeader, admitting, readingHead
    case rejecting, acquiringBackend, queued, connecting, awaitingConnection
    case awaitingResponse, relaying, tunnel
    case readingBody, serving, awaitingReply, awaitingResult, streaming
    case finishing, aborting, lingering, over

    init(_ phase: ExchangeMachine.Phase) {
        self =
            switch phase {
            case .readingProxyHeader: .readingProxyHeader
            case .admitting: .admitting
            case .readingHead: .readingHead
            case .rejecting: .rejecting
            case .acquiringBackend: .acquiringBackend
            case .queued: .queued
            case .connecting: .connecting
            case .awaitingConnection: .awaitingConnection
            case .awaitingResponse: .awaitingResponse
            case .relaying: .relaying
            case .tunnel: .tunnel
            case .local(.readingBody, _, _): .readingBody
            case .local(.serving, _, _): .serving
            case .local(.awaitingReply, _, _): .awaitingReply
            case .local(.awaitingResult, _, _): .awaitingResult
            case .local(.streaming, _, _): .streaming
            case .finishing: .finishing
            case .aborting: .aborting
            case .lingering: .lingering
            case .over: .over
            }
    }
}

extension ExchangeMachine {
    var place: ExchangePlace { ExchangePlace(phase) }

    func isQueued(for service: Int) -> Bool {
        if case .queued(let request) = phase { request.backend == BackendID(index: service) } else { false }
    }
}
