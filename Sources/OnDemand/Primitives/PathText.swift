/// Paths as text, without a look at the file system.
enum PathText {
    /// An absolute path without `.`, `..` and empty components. `..` removes the component before it, which is right as
    /// long as that is no symbolic link; at the root it means nothing.
    static func absolute(_ path: String, from directory: String) -> String {
        var components: [Substring] = []
        for text in path.hasPrefix("/") ? [path] : [directory, path] {
            for component in text.split(separator: "/") where component != "." {
                if component == ".." { _ = components.popLast() } else { components.append(component) }
            }
        }
        return "/" + components.joined(separator: "/")
    }
}
