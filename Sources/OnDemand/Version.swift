/// The one place that says which version this is.
public enum Version {
    /// As it is printed.
    public static let text = "0.1.0"
}
