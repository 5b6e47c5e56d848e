/** What becomes of produces that wait when another broker begins to lead: in virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toNodeId } from '../../src/util/numbers.ts'
import { batchOf, isSettled } from './harness.ts'
import { Replicas } from './replicas.ts'

const ids = (...numbers: number[]) => numbers.map(toNodeId)

/** How often each value, a batch of its own, is in the log of node 2. */
async function occurrences(cluster: Replicas, values: readonly string[]): Promise<number[]> {
  const batches = await cluster.assertAlike()
  const texts = batches.map(batch => Buffer.from(batch).toString('latin1'))
  return values.map(value => texts.filter(text => text.includes(value)).length)
}

test('a produce that waits while the leadership moves is told exactly whether its records are there', async () => {
  const latencyMs = 20
  const seen = { kept: 0, refused: 0 }
  // From before the first record has left to after the last one is committed.
  for (let moveAtMs = 0; moveAtMs < 8 * latencyMs; moveAtMs += 7) {
    const cluster = await Replicas.open({ latencyMs })
    const [one, two] = [cluster.node(1), cluster.node(2)]
    const values: string[] = []
    const answers: Promise<unknown>[] = []
    for (let ms = 0; ms < 8 * latencyMs; ms += 5) {
      if (ms >= moveAtMs && two.partition().leading === null) cluster.change({ leaderId: toNodeId(2), isr: ids(2, 3) })
      const value = `<${ms}>`
      values.push(value)
      answers.push(one.produce([value]))
      await cluster.run(5)
    }
    const outcomes = (await cluster.until(Promise.all(answers), 2_000)).flat()
    // What only the old leader has goes when the new one writes others in its place.
    await cluster.until(two.produce(['the end']))
    await cluster.run(1_000)
    const found = await occurrences(cluster, values)
    for (const [at, outcome] of outcomes.entries()) {
      assert.ok(outcome === null || outcome === 'NOT_LEADER_OR_FOLLOWER', `${outcome}`)
      assert.equal(found[at], outcome === null ? 1 : 0, `moved at ${moveAtMs} ms: ${values[at]} ${outcome}`)
    }
    seen.kept += outcomes.filter(outcome => outcome === null).length
    seen.refused += outcomes.filter(outcome => outcome !== null).length
    await cluster.stop()
  }
  assert.ok(seen.kept > 50 && seen.refused > 50, JSON.stringify(seen))
})

test('records that a new leader has deleted others in the place of are not said to be committed', async () => {
  const cluster = await Replicas.open()
  const [one, two] = [cluster.node(1), cluster.node(2)]
  await cluster.until(one.produce(['both']))
  await cluster.run(50)
  for (const id of [2, 3]) cluster.node(id).cutOff()
  one.isUninformed = true
  const waiting = one.produce(['lost', 'lost too'])
  cluster.change({ leaderId: toNodeId(2), isr: ids(2, 3) })
  for (const id of [2, 3]) cluster.node(id).listen()
  await cluster.until(two.produce(['a', 'b', 'c', 'd']))
  await cluster.until(two.partition().deleteBelow(4))
  assert.equal(await isSettled(waiting), false)
  one.isUninformed = false
  one.inform()
  assert.deepEqual(await cluster.until(waiting, 2_000), ['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER'])
  await cluster.run(1_000)
  await cluster.assertAlike()
  await cluster.stop()
})

test('a broker that hands over refuses what is new, and says when what it has taken is committed', async () => {
  const cluster = await Replicas.open({ latencyMs: 20 })
  const [one, two] = [cluster.node(1), cluster.node(2)]
  const taken = one.produce(['a', 'b', 'c'])
  const over = one.broker.handOver(60_000)
  const refused = one.produce(['d'])
  assert.deepEqual(await refused, ['NOT_LEADER_OR_FOLLOWER'])
  assert.equal(await isSettled(over), false)
  await cluster.until(over)
  assert.equal(await isSettled(taken), true, 'those who waited have been answered by then')
  assert.deepEqual(await taken, [null, null, null])
  assert.equal(one.partition().highWatermark, 3)
  cluster.change({ leaderId: toNodeId(2) })
  assert.deepEqual(await cluster.until(two.produce(['d'])), [null])
  await cluster.run(1_000)
  await cluster.assertAlike()
  await cluster.stop()
})

test('what nobody else can lead goes on being led, and a follower that is silent is not awaited for long', async () => {
  const cluster = await Replicas.open({ partitions: 2, configs: { 'min.insync.replicas': '1' } })
  const one = cluster.node(1)
  for (const id of [2, 3]) cluster.node(id).cutOff()
  // Of partition 1 nobody else has everything.
  await cluster.until(one.produce(['alone'], { partition: 1, acks: 1 }))
  cluster.change({ isr: ids(1) }, 1)
  const waiting = one.produce(['a'])
  const over = one.broker.handOver(500)
  assert.deepEqual(await cluster.until(one.produce(['b'], { partition: 1 })), [null])
  await cluster.run(400)
  assert.equal(await isSettled(over), false)
  await cluster.run(200)
  assert.ok(await isSettled(over))
  assert.equal(await isSettled(waiting), false, 'it goes on waiting')
  for (const id of [2, 3]) cluster.node(id).listen()
  assert.deepEqual(await cluster.until(waiting), [null])
  await cluster.stop()
})

test('a leader that is moved away refuses what is new, and lets go when what it has taken is committed and answered', async () => {
  const cluster = await Replicas.open({ latencyMs: 20 })
  const [one, two] = [cluster.node(1), cluster.node(2)]
  const taken = one.produce(['a', 'b', 'c'])
  cluster.change({ replicas: ids(2, 3, 1), removingReplicas: ids(1) })
  assert.deepEqual(await one.produce(['d']), ['NOT_LEADER_OR_FOLLOWER'])
  assert.ok(one.partition().isLeader)
  assert.deepEqual(await cluster.until(taken), [null, null, null])
  await cluster.run(10)
  assert.deepEqual(cluster.partitionImage().replicas, ids(2, 3), 'it asked for those that stay')
  assert.deepEqual(await cluster.until(two.produce(['d'])), [null])
  await cluster.run(1_000)
  assert.equal((await cluster.assertAlike([2, 3])).length, 4)
  await cluster.stop()
})

test('a leader that is moved away waits for a silent replica no longer than a second, and takes more when the move is given up', async () => {
  const cluster = await Replicas.open()
  const one = cluster.node(1)
  cluster.node(3).cutOff()
  const waiting = one.produce(['a'])
  const move = { replicas: ids(2, 3, 1), removingReplicas: ids(1) }
  cluster.change(move)
  await cluster.run(500)
  assert.deepEqual(await one.produce(['b']), ['NOT_LEADER_OR_FOLLOWER'])
  cluster.change({ replicas: ids(1, 2, 3), removingReplicas: [] })
  const more = one.produce(['c'])
  await cluster.run(2_000)
  assert.equal(await isSettled(waiting), false)
  assert.ok(one.partition().isLeader)
  cluster.change(move)
  await cluster.run(900)
  assert.ok(one.partition().isLeader)
  await cluster.run(200)
  assert.deepEqual(cluster.partitionImage().replicas, ids(2, 3))
  assert.deepEqual([await cluster.until(waiting), await cluster.until(more)].flat(), [
    'NOT_LEADER_OR_FOLLOWER',
    'NOT_LEADER_OR_FOLLOWER',
  ])
  await cluster.stop()
})

test('who led until a moment ago is told what became of what it had taken before a move takes it away', async () => {
  const cluster = await Replicas.open({ latencyMs: 20 })
  const [one, two] = [cluster.node(1), cluster.node(2)]
  const taken = one.produce(['a', 'b', 'c'])
  await cluster.run(25)
  cluster.change({ leaderId: toNodeId(2), replicas: ids(2, 3, 1), removingReplicas: ids(1) })
  const next = two.produce(['d'])
  assert.deepEqual(await cluster.until(taken), [null, null, null])
  assert.deepEqual(await cluster.until(next), [null], 'who stays takes more all the while')
  await cluster.run(1_000)
  assert.deepEqual(cluster.partitionImage().replicas, ids(2, 3))
  assert.equal(cluster.partitionImage().leaderId, toNodeId(2))
  assert.equal((await cluster.assertAlike([2, 3])).length, 4)
  await cluster.stop()
})

test('acks=1 is the promise of a disk that leads: it ends with the leadership', async () => {
  const cluster = await Replicas.open()
  const one = cluster.node(1)
  one
    .partition()
    .append(batchOf(['x']), 1, { onAppendSettled: (_slot, failure) => outcomes.push(failure?.error ?? null) }, 0)
  const outcomes: unknown[] = []
  cluster.change({ leaderId: toNodeId(2) })
  assert.deepEqual(outcomes, ['FENCED_LEADER_EPOCH'])
  await cluster.run(500)
  await cluster.stop()
})
