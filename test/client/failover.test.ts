/**
 * What the client adds to the time in which a partition has no leader: a node dies or stands still under load, the
 * controller replaces it after its time, and records flow again within moments of that. In virtual time, with default
 * settings, over many seeds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runs } from '../support/depth.ts'
import type { FakeCluster } from './fake-cluster.ts'
import { batchOf, startFake, take, text } from './harness.ts'

/** How long the controller takes: a closed connection is noticed at once, a silent node by its session's end. */
const killedAfterMs = 500
const frozenAfterMs = 9_000

/** The election comes at any time between two looks of the client. */
const somewhatAfter = (ms: number, seed: number): number => ms + ((seed * 137) % 500)

interface Outage {
  /** From the election to the first record after it, by seed, sorted. */
  readonly addedMs: number[]
}

const median = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length / 2)]!

interface Run {
  readonly seed: number
  readonly fail: (cluster: FakeCluster) => void
  readonly electionAfterMs: number
}

/** Sends a record every few milliseconds while the leader fails; returns how long after the election one is acknowledged. */
async function produceThrough({ seed, fail, electionAfterMs }: Run): Promise<number> {
  const { clock, cluster, producer } = startFake({ seed, nodes: 3 })
  cluster.createTopic('t', 1)
  const p = producer()
  const acknowledgedMs: number[] = []
  const sends: Promise<unknown>[] = []
  let next = 0
  const load = async (ms: number): Promise<void> => {
    for (const untilMs = clock.nowMs() + ms; clock.nowMs() < untilMs; await clock.advance(5)) {
      const send = p.send({ topic: 't', messages: [{ value: String(next++) }] })
      sends.push(send.then(() => acknowledgedMs.push(clock.nowMs())))
    }
  }
  await load(200)
  fail(cluster)
  await load(electionAfterMs)
  cluster.failOver(1)
  const electedMs = clock.nowMs()
  await load(1_500)
  await clock.run(p.close())
  await Promise.all(sends)
  const values = cluster.partition('t', 0).records.map(record => Number(text(record.value)))
  const firsts = [...new Set(values)]
  assert.deepEqual(firsts, [...Array(next).keys()], 'everything is there, in order')
  return acknowledgedMs.find(ms => ms > electedMs)! - electedMs
}

/** Reads records that come every few milliseconds while the leader fails, likewise. */
async function consumeThrough({ seed, fail, electionAfterMs }: Run): Promise<number> {
  const { clock, cluster, consumer } = startFake({ seed, nodes: 3 })
  cluster.createTopic('t', 1)
  const c = consumer({ assignments: [{ topic: 't', partition: 0, offset: 'start' }] })
  const seen: { offset: number; atMs: number }[] = []
  const reading = (async () => {
    for await (const { offset } of c) seen.push({ offset, atMs: clock.nowMs() })
  })()
  let count = 0
  const load = async (ms: number): Promise<void> => {
    for (const untilMs = clock.nowMs() + ms; clock.nowMs() < untilMs; await clock.advance(5)) {
      cluster.append('t', 0, batchOf([String(count++)]))
    }
  }
  await load(200)
  fail(cluster)
  await clock.advance(electionAfterMs)
  cluster.failOver(1)
  const electedMs = clock.nowMs()
  await load(1_500)
  await clock.runUntil(() => seen.length >= count)
  await clock.run(Promise.all([c.close(), reading]))
  assert.deepEqual(
    seen.map(({ offset }) => offset),
    [...Array(count).keys()],
    'every record once, in order',
  )
  return seen.find(({ atMs }) => atMs > electedMs)!.atMs - electedMs
}

async function overSeeds(run: (seed: number) => Promise<number>): Promise<Outage> {
  const addedMs: number[] = []
  for (let seed = 1; seed <= runs(20); seed++) addedMs.push(await run(seed))
  return { addedMs: addedMs.sort((a, b) => a - b) }
}

test('failover: a producer whose leader is killed goes on within moments of the election', async () => {
  const { addedMs } = await overSeeds(seed =>
    produceThrough({ seed, fail: cluster => cluster.kill(1), electionAfterMs: somewhatAfter(killedAfterMs, seed) }),
  )
  assert.ok(median(addedMs) < 60, `median ${median(addedMs)} ms`)
  assert.ok(addedMs.at(-1)! < 120, `at most ${addedMs.at(-1)} ms`)
})

test('failover: a producer whose leader stands still leaves it within a second of the election', async () => {
  const { addedMs } = await overSeeds(seed =>
    produceThrough({
      seed,
      fail: cluster => cluster.frozenNodes.add(1),
      electionAfterMs: somewhatAfter(frozenAfterMs, seed),
    }),
  )
  assert.ok(median(addedMs) < 500, `median ${median(addedMs)} ms`)
  assert.ok(addedMs.at(-1)! < 1_000, `at most ${addedMs.at(-1)} ms`)
})

test('failover: a consumer whose leader is killed goes on within moments of the election', async () => {
  const { addedMs } = await overSeeds(seed =>
    consumeThrough({ seed, fail: cluster => cluster.kill(1), electionAfterMs: somewhatAfter(killedAfterMs, seed) }),
  )
  assert.ok(median(addedMs) < 60, `median ${median(addedMs)} ms`)
  assert.ok(addedMs.at(-1)! < 120, `at most ${addedMs.at(-1)} ms`)
})

test('failover: a consumer whose leader stands still leaves it within a second of the election', async () => {
  const fail = (cluster: FakeCluster): void => void cluster.frozenNodes.add(1)
  const { addedMs } = await overSeeds(seed =>
    consumeThrough({ seed, fail, electionAfterMs: somewhatAfter(frozenAfterMs, seed) }),
  )
  assert.ok(median(addedMs) < 500, `median ${median(addedMs)} ms`)
  assert.ok(addedMs.at(-1)! < 1_000, `at most ${addedMs.at(-1)} ms`)
})

test('failover: a consumer that begins while a leader stands still begins at its successor', async () => {
  const { clock, cluster, consumer } = startFake({ nodes: 3 })
  cluster.createTopic('t', 1)
  cluster.append('t', 0, batchOf(['first']))
  cluster.frozenNodes.add(1)
  const bootstrap = [1, 2, 3].map(cluster.urlOf)
  const c = consumer({ topics: ['t'], from: 'start', bootstrap })
  const reading = take(c, 1)
  await clock.advance(frozenAfterMs)
  cluster.failOver(1)
  const electedMs = clock.nowMs()
  assert.equal((await clock.run(reading))[0]!.offset, 0)
  assert.ok(clock.nowMs() - electedMs < 7_000, `${clock.nowMs() - electedMs} ms`)
  await clock.run(c.close())
})
