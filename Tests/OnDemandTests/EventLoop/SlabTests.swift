import Testing

@testable import OnDemand

struct SlabTests {
    @Test("a reused slot does not match the token of its former owner")
    func staleGeneration() {
        var slab = Slab(empty: "")
        let first = slab.insert("first")
        slab.remove(index: first.index)
        #expect(!slab.contains(index: first.index, generation: first.generation))
        let second = slab.insert("second")
        #expect(second.index == first.index)
        #expect(second.generation != first.generation)
        #expect(!slab.contains(index: first.index, generation: first.generation))
        #expect(slab.contains(index: second.index, generation: second.generation))
    }

    @Test("an empty slot matches no generation, not even zero")
    func emptySlot() {
        var slab = Slab(empty: 0)
        let place = slab.insert(1)
        slab.remove(index: place.index)
        for generation: UInt32 in [0, 1, place.generation] {
            #expect(!slab.contains(index: place.index, generation: generation))
        }
        #expect(!slab.contains(index: 10_000, generation: 1))
    }

    @Test("a claimed slot is empty, also when it was used before, and a removal returns the element")
    func claim() {
        var slab = Slab(empty: "")
        let first = slab.claim()
        #expect(slab[first.index].isEmpty && slab.contains(index: first.index, generation: first.generation))
        slab[first.index] = "first"
        #expect(slab.remove(index: first.index) == "first")
        let second = slab.claim()
        #expect(second.index == first.index && slab[second.index].isEmpty && slab.count == 1)
    }

    @Test("numbers stay small: the lowest free slots are taken first, and used again")
    func reuse() {
        var slab = Slab(empty: 0)
        #expect((0..<10).map { slab.insert($0).index } == Array(0..<10))
        for index in [3, 7] { slab.remove(index: index) }
        #expect(Set([slab.insert(30).index, slab.insert(70).index]) == [3, 7])
        #expect(slab.count == 10)
    }

    @Test("elements are changed in place")
    func modify() {
        var slab = Slab<[Int]>(empty: [])
        let place = slab.insert([1])
        slab[place.index].append(2)
        #expect(slab[place.index] == [1, 2])
    }

    @Test("ten thousand insertions and removals leave at most a few chunks, and the slab remains usable")
    func givenBack() {
        var slab = Slab(empty: 0)
        let indices = (0..<10_000).map { slab.insert($0).index }
        #expect(slab.indices == Array(0..<10_000))
        for index in indices { slab.remove(index: index) }
        #expect(slab.count == 0)
        #expect(slab.indices.isEmpty)
        #expect(chunks(of: slab) <= 3)
        let place = slab.insert(1)
        #expect(slab.contains(index: place.index, generation: place.generation))
    }

    @Test("the memory of many elements is freed with the last one, in any order, and no token repeats")
    func roomGivenBack() {
        for order in [Array(0..<10_000), Array((0..<10_000).reversed())] {
            var slab = Slab(empty: 0)
            let last = (0..<10_000).map { slab.insert($0).generation }.max()!
            for index in order { slab.remove(index: index) }
            let generations = Mirror(reflecting: slab).children.first { $0.label == "generations" }?.value as? [UInt32]
            #expect(generations.map { $0.capacity <= 128 } == true)
            #expect(slab.insert(1).generation == last + 1)
        }
    }

    @Test("a chunk in the middle is freed and comes back empty")
    func middleChunk() {
        var slab = Slab(empty: 0)
        let places = (0..<400).map { slab.insert($0) }
        for place in places where (64..<320).contains(place.index) { slab.remove(index: place.index) }
        #expect(chunks(of: slab) < 7)
        for place in places where (64..<320).contains(place.index) {
            #expect(!slab.contains(index: place.index, generation: place.generation))
        }
        let again = (0..<256).map { slab.insert(1000 + $0) }
        #expect(Set(again.map(\.index)).count == 256)
        #expect(slab.count == 400)
        for place in places where !(64..<320).contains(place.index) { #expect(slab[place.index] == place.index) }
    }

    @Test("any insertions and removals agree with a dictionary", arguments: 1...8)
    func model(seed: UInt64) {
        var generator = Seeded(seed: seed)
        var slab = Slab<UInt64>(empty: 0)
        var model: [Int: (value: UInt64, generation: UInt32)] = [:]
        for _ in 0..<3_000 {
            // Waves, so that chunks fill up and drain.
            let growing = model.count < Int.random(in: 0..<600, using: &generator)
            if growing || model.isEmpty {
                let value = generator.next()
                let place = slab.insert(value)
                #expect(model[place.index] == nil)
                model[place.index] = (value, place.generation)
            } else {
                let index = model.keys.sorted().randomElement(using: &generator)!
                slab.remove(index: index)
                model[index] = nil
            }
        }
        #expect(slab.count == model.count)
        #expect(slab.indices == model.keys.sorted())
        for (index, entry) in model {
            #expect(slab[index] == entry.value)
            #expect(slab.contains(index: index, generation: entry.generation))
        }
    }

    @Test("a second removal of a slot traps")
    func emptiedTwice() async {
        await #expect(processExitsWith: .failure) {
            var slab = Slab(empty: 0)
            let place = slab.insert(1)
            slab.remove(index: place.index)
            slab.remove(index: place.index)
        }
    }

    /// Number of chunks with memory.
    private func chunks<Element>(of slab: Slab<Element>) -> Int {
        let chunks = Mirror(reflecting: slab).children.first { $0.label == "chunks" }
        return Mirror(reflecting: chunks!.value).children.count { Mirror(reflecting: $0.value).children.count > 0 }
    }
}
