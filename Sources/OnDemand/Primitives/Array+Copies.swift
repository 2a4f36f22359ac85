// Copies of arrays in storage of their own size.

extension Array {
    /// A copy in storage of its own size, for what lives long. `Array(array[...])` would share the storage.
    var withoutSpareCapacity: [Element] {
        var copy: [Element] = []
        copy.reserveCapacity(count)
        copy.append(contentsOf: self)
        return copy
    }
}
