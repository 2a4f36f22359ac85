/// `ondemandd demo`: the daemon and its demo backend.
extension EntryPoint {
    /// Runs until a signal ends it. `print` gets the introduction with the URLs.
    public static func show(_ demo: DemoCommand, print: (String) -> Void) -> Outcome {
        switch demo.role {
        case .backend(let port): return serve(at: .ipv4(octets: [127, 0, 0, 1], port: port))
        case .show(let listen, let status):
            guard let executable = OwnProgram.executable else {
                return .systemRefused("demo: cannot read /proc/self/exe, which is the command of its backend")
            }
            return run(DemoSetup(executable: executable, listen: listen, status: status), print)
        }
    }

    private static func run(_ show: DemoSetup, _ print: (String) -> Void) -> Outcome {
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try Configuration.read(Array(show.configuration.utf8), environment: [:])
        } catch {
            return .configurationIsWrong(error.rendered(file: "demo"))
        }
        do throws(SystemError) {
            let daemon = try Daemon(configuration, kernel: LinuxKernel()) { .success(configuration) }
            print(show.introduction)
            daemon.run()
            return .done
        } catch {
            return .systemRefused(show.sentence(on: error))
        }
    }

    private static func serve(at address: SocketAddress) -> Outcome {
        do throws(SystemError) {
            try DemoBackend(kernel: LinuxKernel(), address: address).run()
        } catch {
            return .systemRefused(error.description)
        }
    }
}
