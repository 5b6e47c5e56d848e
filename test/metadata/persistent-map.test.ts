import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashKey, PersistentMap } from '../../src/metadata/persistent-map.ts'
import { runs } from '../support/depth.ts'

type Step = { kind: 'set'; key: string; value: number } | { kind: 'delete'; key: string } | { kind: 'finish' }

/** Found by search: pairs of keys with all 32 bits of hash in common. */
const colliding = findCollisions(3)

const key = fc.oneof(fc.integer({ min: 0, max: 60 }).map(String), fc.constantFrom(...colliding.flat()))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('set'), key, value: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete'), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finish') }) },
) as fc.Arbitrary<Step>

test('a persistent map agrees with a Map, and what was handed out never changes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const model = new Map<string, number>()
      const handedOut: { map: PersistentMap<string, number>; entries: [string, number][] }[] = []
      let edit = PersistentMap.empty<string, number>().edit()
      for (const s of steps) {
        if (s.kind === 'set') {
          edit.set(s.key, s.value)
          model.set(s.key, s.value)
        } else if (s.kind === 'delete') {
          assert.equal(edit.delete(s.key), model.delete(s.key))
        } else {
          const map = edit.finish()
          handedOut.push({ map, entries: [...model] })
          edit = map.edit()
        }
        assert.equal(edit.size, model.size)
      }
      handedOut.push({ map: edit.finish(), entries: [...model] })
      for (const { map, entries } of handedOut) {
        assert.equal(map.size, entries.length)
        assert.deepEqual(new Map(map), new Map(entries))
        for (const [k, v] of entries) assert.equal(map.get(k), v)
      }
    }),
    { numRuns: runs(300) },
  )
})

test('keys that share their whole hash are kept apart, and taken out one by one', () => {
  for (const [a, b] of colliding) {
    assert.equal(hashKey(a), hashKey(b))
    const both = PersistentMap.from([
      [a, 1],
      [b, 2],
    ])
    assert.deepEqual([both.get(a), both.get(b), both.size], [1, 2, 2])
    const edit = both.edit()
    edit.delete(a)
    const one = edit.finish()
    assert.deepEqual([one.get(a), one.get(b), one.has(a), one.size], [undefined, 2, false, 1])
  }
})

test('numbers are keys too, also beyond 32 bits', () => {
  const keys = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]
  const map = PersistentMap.from(keys.map(k => [k, String(k)] as const))
  assert.deepEqual(new Map(map), new Map(keys.map(k => [k, String(k)])))
})

test('an edit that changes nothing gives back the very map', () => {
  const map = PersistentMap.from<string, number>([['a', 1]])
  const edit = map.edit()
  edit.set('a', 1)
  edit.delete('b')
  assert.equal(edit.finish(), map)
  assert.throws(() => edit.set('c', 3), { name: 'AssertionError' })
})

test('keys, values and forEach see every entry once', () => {
  const map = PersistentMap.from(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i] as const))
  const seen = new Map<string, number>()
  map.forEach((value, k) => {
    seen.set(k, value)
  })
  assert.equal(seen.size, 1000)
  assert.deepEqual(new Set(map.keys()), new Set(seen.keys()))
  assert.deepEqual(new Set(map.values()), new Set(seen.values()))
})

function findCollisions(count: number): [string, string][] {
  const byHash = new Map<number, string>()
  const found: [string, string][] = []
  for (let i = 0; found.length < count; i++) {
    const candidate = `key-${i}`
    const other = byHash.get(hashKey(candidate))
    if (other !== undefined) found.push([other, candidate])
    byHash.set(hashKey(candidate), candidate)
  }
  return found
}
