import Foundation
import Testing

@testable import OnDemand

@Suite struct StatusJSONTests {
    private func parsed(_ snapshot: Snapshot) throws -> NSDictionary {
        let data = Data(StatusJSON.text(of: snapshot).utf8)
        return try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
    }

    @Test("every value of a snapshot has its documented key")
    func everything() throws {
        let expected: NSDictionary = [
            "version": 1,
            "daemon": ["version": "0.1.0", "uptime_ms": 61_000, "resident_bytes": 5_017_600, "commands_enabled": true],
            "listening": ["127.0.0.1:3000", "[::1]:3000"], "cables": [NSDictionary](),
            "commands": [NSDictionary](),
            "services": [
                [
                    "name": "action-cable", "kind": "service", "requires": ["redis"], "state": "awake",
                    "state_age_ms": 4100,
                    "paths": ["/cable", "/{region}/cable"], "websocket": true, "generation": 3, "pid": 4711,
                    "resident_bytes": 71_303_168, "remaining": [String](), "open": 2, "queued_requests": 1, "starts": 4,
                    "last_startup_ms": 1512,
                    "startups_ms": [900, 1512],
                    "last_wake": [
                        "cause": "upgrade", "age_ms": 65_000, "client": "192.0.2.7", "path": "/cable",
                        "agent": "Mozilla/5.0",
                    ],
                    "last_exit": "status 0", "last_exit_cause": "idle", "last_failure": "said \"no\"\nand left",
                    "failure": [
                        "command": "puma \"-e a\"", "directory": "/srv/app", "exit": "status 1",
                        "output": ["12:00 stderr no", "12:01 stdout \u{1b}[2Jbye"],
                    ],
                    "idle_timeout_ms": 8000,
                    "tunnels": [
                        "opened": 2, "closes": ["1000": 1, "other": 0],
                        "from_clients": ["bytes": 9, "frames": 4, "messages": 3, "pings": 2, "pongs": 1],
                        "from_backend": ["bytes": 0, "frames": 0, "messages": 0, "pings": 0, "pongs": 0],
                    ],
                    "pinned": true, "wakes": ["upgrade": 3, "request": 0, "operator": 1], "resident_share": 0.5,
                    "saved_mb_hours": 1.5,
                ] as NSDictionary
            ],
        ]
        #expect(try parsed(.sample()) == expected)
    }

    @Test("an unknown value is null and never missing")
    func nulls() throws {
        let services = try #require(try parsed(.sample([.untouched]))["services"] as? [NSDictionary])
        let service = try #require(services.first)
        for key in [
            "pid", "resident_bytes", "last_startup_ms", "last_wake", "last_exit", "last_exit_cause", "last_failure",
            "failure", "idle_timeout_ms",
            "resident_share", "saved_mb_hours",
        ] {
            #expect(service[key] is NSNull, "\(key)")
        }
        #expect(service.count == 27)
    }

    @Test("no services, no listeners and no memory figure are still valid")
    func empty() throws {
        let snapshot = Snapshot(version: "", uptime: .zero, residentBytes: nil, listening: [], services: [])
        let expected: NSDictionary = [
            "version": 1,
            "daemon": ["version": "", "uptime_ms": 0, "resident_bytes": NSNull(), "commands_enabled": false],
            "listening": [String](), "services": [NSDictionary](), "cables": [NSDictionary](),
            "commands": [NSDictionary](),
        ]
        #expect(try parsed(snapshot) == expected)
    }

    @Test("every value of a command and its runs has its documented key")
    func commands() throws {
        var snapshot = Snapshot.sample([])
        snapshot.commands = [.sample]
        let running: NSDictionary = [
            "id": "run-2", "state": "stopping", "exit_status": NSNull(), "signal": NSNull(), "ending": NSNull(),
            "started_at": 1_795_276_800, "duration_ms": 61_000, "output_bytes": 4096,
            "remaining": ["4711 (sudo)"],
        ]
        let failed: NSDictionary = [
            "id": "run-1", "state": "ended", "exit_status": 3, "signal": NSNull(), "ending": "exited",
            "started_at": 1_795_276_700, "duration_ms": 1500, "output_bytes": 12, "remaining": [String](),
        ]
        let killed: NSDictionary = [
            "id": "run-0", "state": "ended", "exit_status": NSNull(), "signal": 9, "ending": "timed_out",
            "started_at": 1_795_276_000, "duration_ms": 600_000, "output_bytes": 0, "remaining": [String](),
        ]
        let command: NSDictionary = [
            "name": "apply", "path": "/commands/apply", "cable": "cable", "params": ["database", "user_id"],
            "max_running": 2, "started": 7, "succeeded": 2, "failed": 1, "timed_out": 1, "stopped": 1,
            "spawn_failed": 1, "rejected": ["busy": 3, "unauthorized": 0], "running": [running],
            "last": [failed, killed],
        ]
        #expect(try parsed(snapshot)["commands"] as? [NSDictionary] == [command])
        let data = Data(StatusJSON.commands(of: snapshot).utf8)
        let alone = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
        #expect(alone == ["version": 1, "commands": [command]])
    }
}
