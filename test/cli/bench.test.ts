/** What the benchmarks are made of: loads, schedules, histograms, and when measuring begins. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LatencyRecorder } from '../../src/cli/bench/latency.ts'
import { type keyDistributions, type LoadOptions, makeKeys, makeSends } from '../../src/cli/bench/load.ts'
import { Measurement } from '../../src/cli/bench/measurement.ts'
import { runOpenLoop } from '../../src/cli/bench/open-loop.ts'
import { createContext } from '../../src/cli/context.ts'

const load: LoadOptions = { size: 100, batchRecords: 3, randomBytes: 1, keys: 'none', keyCount: 100 }
const targets = [
  { topic: 'a', partitions: 2 },
  { topic: 'b', partitions: 1 },
]

test('sends without keys go around all partitions of all topics, and few are made once', () => {
  const next = makeSends(load, targets)
  const sends = Array.from({ length: 6 }, next)
  assert.deepEqual(
    sends.map(({ topic, messages }) => `${topic}-${messages[0]!.partition}`),
    ['a-0', 'a-1', 'b-0', 'a-0', 'a-1', 'b-0'],
  )
  assert.equal(sends[0], sends[3])
  for (const { messages } of sends) assert.equal(new Set(messages.map(({ value }) => value)).size, 3)
})

test('many sends go around all partitions too, and are made anew', () => {
  const next = makeSends(load, [{ topic: 'wide', partitions: 5_000 }])
  const rounds = [0, 1].map(() => Array.from({ length: 5_000 }, next))
  for (const sends of rounds) assert.equal(new Set(sends.map(send => send.messages[2]!.partition)).size, 5_000)
  assert.notEqual(rounds[0]![0], rounds[1]![0])
})

test('values are random as far as asked, and the same in every run', () => {
  const firstValue = (randomBytes: number): Uint8Array =>
    makeSends({ ...load, randomBytes }, targets)().messages[0]!.value as Uint8Array
  const half = firstValue(0.5)
  assert.equal(half.length, 100)
  assert.ok(new Set(half.subarray(0, 50)).size > 25)
  assert.deepEqual(new Set(half.subarray(50)), new Set([0x78]))
  assert.deepEqual(firstValue(0.5), half)
  assert.deepEqual(new Set(firstValue(0)), new Set([0x78]))
})

test('keys leave the partition to themselves; zipf has a favourite, random has not', () => {
  const { messages } = makeSends({ ...load, keys: 'random' }, targets)()
  assert.ok(messages.every(({ key, partition }) => typeof key === 'string' && partition === undefined))
  const drawn = 20_000
  const mostFrequent = (keys: (typeof keyDistributions)[number]): number => {
    const next = makeKeys({ keys, keyCount: 100 })!
    const counts = new Map<string, number>()
    for (let i = 0; i < drawn; i++) {
      const key = next()
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    assert.ok(counts.size <= 100)
    return Math.max(...counts.values()) / drawn
  }
  assert.equal(makeKeys({ keys: 'none', keyCount: 100 }), null)
  assert.equal(mostFrequent('round-robin'), 0.01)
  assert.ok(mostFrequent('random') < 0.02)
  // ln 2 / ln 101
  assert.ok(Math.abs(mostFrequent('zipf') - 0.15) < 0.02)
})

test('an open loop sends all that is due, in order, never early, and what waited counts from when it was due', async () => {
  const dueAts: number[] = []
  const answers: (() => void)[] = []
  const answerAll = (): void => {
    for (const answer of answers.splice(0)) answer()
  }
  await runOpenLoop({
    sendsPerSecond: 2_000,
    unansweredMax: 5,
    onDue: dueAt => {
      if (dueAts.length === 50) return null
      assert.ok(performance.now() >= dueAt)
      dueAts.push(dueAt)
      return new Promise(resolve => {
        answers.push(resolve)
        assert.ok(answers.length <= 5)
        // Answers come in fives: the next ones are late by then, and keep the times they had.
        if (answers.length === 5) setTimeout(() => answerAll(), 5)
      })
    },
  })
  assert.equal(dueAts.length, 50)
  for (const [at, dueAt] of dueAts.entries()) assert.ok(Math.abs(dueAt - dueAts[0]! - at * 0.5) < 1e-6)
})

test('an open loop fails with the first send that fails', async () => {
  const failing = { sendsPerSecond: 1_000, unansweredMax: 1, onDue: () => Promise.reject(new Error('refused')) }
  await assert.rejects(runOpenLoop(failing), /refused/)
})

test('percentiles of a histogram are within a thousandth', () => {
  const recorder = new LatencyRecorder()
  assert.equal(recorder.result(), null)
  for (let ms = 1; ms <= 1_000; ms++) recorder.record(ms)
  const { p50, p99, max, mean, quantiles } = recorder.result()!
  const isNear = (found: number, expected: number): boolean => Math.abs(found - expected) <= expected / 1_000 + 0.001
  assert.ok(isNear(p50, 500) && isNear(p99, 990) && isNear(max, 1_000) && isNear(mean, 500.5))
  assert.ok(isNear(quantiles['50']!, 500) && isNear(quantiles['100']!, 1_000))
  recorder.reset()
  assert.equal(recorder.result(), null)
})

test('what belongs to the warm-up is not measured, and the end is where it was asked for', async () => {
  const context = createContext({ bootstrap: 'ws://127.0.0.1:1', format: 'json' }, new AbortController().signal)
  const measurement = await Measurement.prepare(context, { records: 5, warmup: { records: 4 }, quiet: true }, 'sent')
  const phases = Array.from({ length: 6 }, () => measurement.take(2))
  assert.deepEqual(phases, ['warmup', 'warmup', 'measured', 'measured', 'measured', 'over'])
  measurement.add(2, 200, 3)
  measurement.addSendDelay(1)
  const figures = await measurement.finish()
  assert.deepEqual([figures.records, figures.bytes, figures.cpuSeconds.nodes], [2, 200, null])
  assert.ok(Math.abs(figures.latencyMs!.max - 3) < 0.01 && Math.abs(figures.sendDelayMs!.max - 1) < 0.01)
  assert.equal(figures.series.length, 1)
  await context.cleanups.dispose()
})
