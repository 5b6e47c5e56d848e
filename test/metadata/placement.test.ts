import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { placementStartOf, placeReplicas, rackRing } from '../../src/metadata/placement.ts'
import { toNodeId } from '../../src/util/numbers.ts'

const broker = (id: number, rack: string | null) => ({ nodeId: toNodeId(id), rack })

const cluster = fc
  .array(fc.constantFrom(null, 'a', 'b', 'c'), { minLength: 1, maxLength: 9 })
  .map(racks => racks.map((rack, at) => broker(at + 1, rack)))

test('the ring alternates between racks and does not depend on the order of its input', () => {
  const brokers = [broker(1, 'a'), broker(2, 'a'), broker(3, 'a'), broker(4, 'b'), broker(5, 'c')]
  const ids = rackRing(brokers).map(b => b.nodeId)
  assert.deepEqual(ids, [1, 4, 5, 2, 3])
  assert.deepEqual(
    rackRing(brokers.toReversed()).map(b => b.nodeId),
    ids,
  )
})

test('replicas are distinct, leaders even, racks as even as brokers allow', () => {
  fc.assert(
    fc.property(cluster, fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 40 }), (brokers, start, size, count) => {
      const ring = rackRing(brokers)
      const replicationFactor = 1 + (size % ring.length)
      const rackOf = new Map(brokers.map(b => [b.nodeId, b.rack]))
      const led = new Map(brokers.map(b => [b.nodeId, 0]))
      for (let partition = 0; partition < count; partition++) {
        const replicas = placeReplicas(ring, start, partition, replicationFactor)
        assert.equal(new Set(replicas).size, replicationFactor)
        led.set(replicas[0]!, led.get(replicas[0]!)! + 1)
        checkRacks(
          replicas.map(id => rackOf.get(id)!),
          [...rackOf.values()],
        )
      }
      const loads = [...led.values()]
      assert(Math.max(...loads) - Math.min(...loads) <= 1, 'no broker leads two more than another')
    }),
  )
})

/** A rack is used again only when every other rack is used as often or has no broker left. */
function checkRacks(used: (string | null)[], all: (string | null)[]): void {
  const count = (racks: (string | null)[], rack: string | null): number => racks.filter(r => r === rack).length
  for (const rack of new Set(used)) {
    for (const other of new Set(all)) {
      const isFull = count(used, other) === count(all, other)
      assert(count(used, rack) - count(used, other) <= 1 || isFull)
    }
  }
}

test('with one rack per replica, no rack loses two replicas', () => {
  const ring = rackRing([1, 2, 3, 4, 5, 6].map(id => broker(id, `r${id % 3}`)))
  for (let partition = 0; partition < 50; partition++) {
    assert.equal(new Set(placeReplicas(ring, 7, partition, 3).map(id => id % 3)).size, 3)
  }
})

test('brokers in even racks hold the same, lead the same and take over the same from a leader that is gone', () => {
  const ring = rackRing([1, 2, 3, 4, 5, 6].map(id => broker(id, `r${id % 3}`)))
  const held = new Map<number, number>()
  const heirs = new Map<number, Set<number>>()
  for (let partition = 0; partition < 60; partition++) {
    const replicas = placeReplicas(ring, 3, partition, 3)
    for (const id of replicas) held.set(id, (held.get(id) ?? 0) + 1)
    heirs.set(replicas[0]!, (heirs.get(replicas[0]!) ?? new Set()).add(replicas[1]!))
  }
  assert.deepEqual([...held.values()], [30, 30, 30, 30, 30, 30])
  for (const [leader, followers] of heirs) assert.equal(followers.size, 4, `all of the other racks, for ${leader}`)
})

test('a rack of one broker holds a replica of everything: racks come before load', () => {
  const ring = rackRing([broker(1, 'a'), broker(2, 'a'), broker(3, 'a'), broker(4, 'b'), broker(5, 'c')])
  for (let partition = 0; partition < 30; partition++) {
    const replicas = placeReplicas(ring, 0, partition, 3)
    assert([4, 5].every(id => replicas.includes(toNodeId(id))))
  }
})

test('the followers of one leader change from round to round of the ring', () => {
  const ring = rackRing([1, 2, 3, 4].map(id => broker(id, null)))
  const followers = [0, 4, 8].map(partition => placeReplicas(ring, 0, partition, 2)[1])
  assert.equal(new Set(followers).size, 3)
})

test('partitions added later go on where the first ones stopped', () => {
  const ring = rackRing([1, 2, 3].map(id => broker(id, null)))
  const partitions = Array.from({ length: 4 }, (_, p) => ({ replicas: placeReplicas(ring, 8, p, 2) }) as never)
  const start = placementStartOf(ring, partitions, 99)
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map(p => placeReplicas(ring, start, p, 1)[0]),
    [3, 1, 2, 3, 1, 2],
  )
  assert.equal(placementStartOf(ring, [{ replicas: [toNodeId(9)] } as never], 99), 99)
})

test('more replicas than brokers is a broken invariant here: decisions refuse it before', () => {
  assert.throws(() => placeReplicas(rackRing([broker(1, null)]), 0, 0, 2), { name: 'AssertionError' })
})
