/// The executable: arguments in, exit code out, nothing else.
@main
struct Main {
    static func main() {}
}
