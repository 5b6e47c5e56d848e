import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LeaderReplica } from '../../src/replication/leader-replica.ts'
import { AssertionError } from '../../src/util/errors.ts'
import { type NodeId, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'

const leaderEpoch = toLeaderEpoch(3)
const [one, two, three] = [toNodeId(1), toNodeId(2), toNodeId(3)]

function leader(
  options: { isr?: NodeId[]; minInsyncReplicas?: number; localEndOffset?: number; highWatermark?: number } = {},
) {
  return new LeaderReplica({
    localId: one,
    leaderEpoch,
    isr: options.isr ?? [one, two, three],
    minInsyncReplicas: options.minInsyncReplicas ?? 2,
    localEndOffset: options.localEndOffset ?? 0,
    highWatermark: options.highWatermark ?? 0,
  })
}

describe('high watermark', () => {
  test('with one replica it is the local durable end', () => {
    const alone = leader({ isr: [one], minInsyncReplicas: 1, localEndOffset: 7 })
    assert.equal(alone.highWatermark, 7)
    assert.equal(alone.acknowledge(one, 12), true)
    assert.equal(alone.highWatermark, 12)
  })

  test('is the lowest acknowledged end over the ISR', () => {
    const partition = leader()
    assert.equal(partition.acknowledge(one, 10), false)
    assert.equal(partition.acknowledge(two, 8), false)
    assert.equal(partition.acknowledge(three, 5), true)
    assert.equal(partition.highWatermark, 5)
    assert.equal(partition.acknowledge(three, 9), true)
    assert.equal(partition.highWatermark, 8)
  })

  test('a replica outside the ISR does not hold it back', () => {
    const partition = leader({ isr: [one, two] })
    partition.acknowledge(one, 4)
    assert.equal(partition.acknowledge(two, 4), true)
    assert.equal(partition.acknowledge(three, 1), false)
    assert.equal(partition.highWatermark, 4)
  })

  test('moves when a slow member leaves the ISR, and stays when a slow one joins', () => {
    const partition = leader()
    partition.acknowledge(one, 6)
    partition.acknowledge(two, 6)
    assert.equal(partition.reconfigure({ leaderEpoch, isr: [one, two], minInsyncReplicas: 2 }), true)
    assert.equal(partition.highWatermark, 6)
    assert.equal(partition.reconfigure({ leaderEpoch, isr: [one, two, three], minInsyncReplicas: 2 }), false)
    assert.equal(partition.highWatermark, 6)
  })

  test('stands still while the ISR is below min.insync.replicas', () => {
    const partition = leader({ isr: [one] })
    assert.equal(partition.hasMinIsr, false)
    assert.equal(partition.acknowledge(one, 9), false)
    assert.equal(partition.highWatermark, 0)
    assert.equal(partition.reconfigure({ leaderEpoch, isr: [one], minInsyncReplicas: 1 }), true)
    assert.equal(partition.highWatermark, 9)
  })

  test('ignores an acknowledgement that arrives late', () => {
    const partition = leader({ isr: [one], minInsyncReplicas: 1, localEndOffset: 5 })
    assert.equal(partition.acknowledge(one, 3), false)
    assert.equal(partition.highWatermark, 5)
  })

  test('refuses a leader outside its ISR and a high watermark above its log', () => {
    assert.throws(() => leader({ isr: [two, three] }), AssertionError)
    assert.throws(() => leader({ localEndOffset: 4, highWatermark: 5 }), AssertionError)
    assert.throws(
      () => leader().reconfigure({ leaderEpoch: toLeaderEpoch(4), isr: [one], minInsyncReplicas: 1 }),
      AssertionError,
    )
  })
})

test('property: HW1, HW2 and HW3 hold after every step', () => {
  const replica = fc.constantFrom(one, two, three)
  const followers = fc.subarray([two, three])
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('ack' as const), replica, behind: fc.nat(10) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.nat(5) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('isr' as const), followers, min: fc.integer({ min: 1, max: 3 }) }),
    },
  )
  let moves = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), steps => {
      let end = 0
      let min = 2
      const partition = leader()
      const ends = new Map<NodeId, number>()
      for (const s of steps) {
        const before = partition.highWatermark
        let moved = false
        if (s.kind === 'append') {
          end += s.count
          ends.set(one, end)
          moved = partition.acknowledge(one, end)
        } else if (s.kind === 'ack') {
          const acknowledged = Math.max(0, Math.min(end, end - s.behind))
          ends.set(s.replica, Math.max(ends.get(s.replica) ?? 0, acknowledged))
          moved = partition.acknowledge(s.replica, acknowledged)
        } else {
          min = s.min
          moved = partition.reconfigure({ leaderEpoch, isr: [one, ...s.followers], minInsyncReplicas: min })
        }
        assert.equal(moved, partition.highWatermark > before)
        assert.ok(partition.highWatermark >= before)
        if (!moved) continue
        moves += 1
        assert.ok(partition.isr.length >= min)
        for (const id of partition.isr) assert.ok((ends.get(id) ?? 0) >= partition.highWatermark)
      }
    }),
    { numRuns: runs(500) },
  )
  assert.ok(moves > 100, 'the property saw the high watermark move')
})
