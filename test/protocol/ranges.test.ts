/** What a follower believes of the batches that its leader sends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patchBatch } from '../../src/protocol/batch/header.ts'
import { storedRanges } from '../../src/protocol/batch/ranges.ts'
import { isFailure } from '../../src/protocol/errors.ts'
import { concatBytes } from '../../src/util/bytes.ts'
import { batchOf } from '../log/support.ts'

/** Each of two records. */
function batches(...places: readonly (readonly [offset: number, epoch: number])[]): Uint8Array {
  return concatBytes(
    places.map(([offset, epoch], fill) => {
      const batch = batchOf({ records: 2, fill })
      patchBatch(batch, 0, offset, epoch)
      return batch
    }),
  )
}

test('batches back to back are found where they stand', () => {
  const bytes = batches([10, 3], [12, 3], [14, 5])
  const size = bytes.length / 3
  assert.deepEqual(storedRanges(bytes), [
    { baseOffset: 10, endOffset: 12, leaderEpoch: 3, position: 0 },
    { baseOffset: 12, endOffset: 14, leaderEpoch: 3, position: size },
    { baseOffset: 14, endOffset: 16, leaderEpoch: 5, position: 2 * size },
  ])
  assert.deepEqual(storedRanges(new Uint8Array(0)), [])
})

test('gaps, epochs that go back and offsets that are none are refused', () => {
  for (const bytes of [
    batches([10, 3], [13, 3]),
    batches([10, 3], [11, 3]),
    batches([10, 3], [12, 2]),
    batches([10, -1]),
    batches([-1, 3]),
  ]) {
    const found = storedRanges(bytes)
    assert.ok(isFailure(found) && found.error === 'CORRUPT_MESSAGE')
  }
})

test('cut anywhere, or with any bit flipped that is not the leader’s to patch, they are refused', () => {
  const bytes = batches([0, 1], [2, 1])
  const size = bytes.length / 2
  for (let length = 1; length < bytes.length; length++) {
    if (length !== size) assert.ok(isFailure(storedRanges(bytes.slice(0, length))), `cut to ${length}`)
  }
  for (let at = 8; at < size; at++) {
    const isEpoch = at >= 12 && at < 16
    const flipped = bytes.slice()
    flipped[at]! ^= 1 << (at % 8)
    if (!isEpoch) assert.ok(isFailure(storedRanges(flipped)), `byte ${at}`)
  }
})
