/// A stand-in for an Action Cable server, for the demo and the tests.
@main
struct Main {
    static func main() {}
}
