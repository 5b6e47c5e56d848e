/** What the peers' own tools print, as it was printed, and how many records they are asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConsumer, parseProducer, parseTimed } from '../../bench/peers/kafka/outputs.ts'
import { parseBench, parseTimes } from '../../bench/peers/nats/outputs.ts'
import { RecordCounts } from '../../bench/peers/repeat.ts'

test('Kafka: the last line of ProducerPerformance', () => {
  const lines = [
    '158401 records sent, 31680.2 records/sec (3.02 MB/sec), 12.1 ms avg latency, 340.0 ms max latency.',
    '500000 records sent, 90334.236676 records/sec (8.62 MB/sec), 153.42 ms avg latency, 812.00 ms max latency, 101 ms 50th, 503 ms 95th, 699 ms 99th, 801 ms 99.9th.',
  ]
  assert.deepEqual(parseProducer(lines), {
    records: 500_000,
    recordsPerSecond: 90_334.236676,
    latency: { mean: 153.42, max: 812, p50: 101, p95: 503, p99: 699, 'p99.9': 801 },
  })
  assert.throws(() => parseProducer(['no brokers']), /ProducerPerformance said: no brokers/)
})

test('Kafka: the line of ConsumerPerformance, without the time that joining a group took', () => {
  const line =
    '2026-11-30 01:10:00:100, 2026-11-30 01:10:04:600, 95.3674, 21.1928, 1000000, 222222.2222, 3500, 1000, 95.3674, 1000000.0000'
  assert.deepEqual(parseConsumer(['warning', line]), { records: 1_000_000, seconds: 1 })
  assert.throws(() => parseConsumer([]), /ConsumerPerformance said/)
})

test('Kafka: the loads of our own client', () => {
  const latency = { mean: 1, p50: 1, p75: 2, p95: 3, p99: 4, 'p99.9': 5, 'p99.99': 6, 'p99.999': 7, max: 8 }
  const series = [{ seconds: 1, recordsPerSecond: 1_000, latency }]
  const line = JSON.stringify({ records: 1_000, seconds: 1.02, latency, quantiles: { 50: 1, 100: 8 }, series })
  const parsed = parseTimed([line], 100)
  assert.deepEqual(parsed.latency, { ...latency, quantiles: { 50: 1, 100: 8 } })
  assert.deepEqual(
    parsed.series.map(({ recordsPerSecond, megabytesPerSecond, p99Ms }) => [
      recordsPerSecond,
      megabytesPerSecond,
      p99Ms,
    ]),
    [[1_000, 0.1, 4]],
  )
})

test('NATS: the line of nats bench, with and without latencies', () => {
  const published =
    'NATS JetStream synchronous publisher stats: 1,118 msgs/sec ~ 109 KiB/sec ~ min: 284.92us ~ avg: 893.24us ~ max: 15,416.81us ~ P50: 553.88us ~ P90: 1,130.61us ~ P99: 7,150.43us ~ P99.9: 12,822.07us\n'
  assert.deepEqual(parseBench(`01:10:56 [1] Starting\n\n${published}`), {
    recordsPerSecond: 1_118,
    latency: { mean: 0.89324, p50: 0.55388, p99: 7.15043, 'p99.9': 12.82207, max: 15.41681 },
  })
  const consumed = 'NATS JetStream ordered ephemeral consumer stats: 103,028 msgs/sec ~ 13 MiB/sec\n'
  assert.deepEqual(parseBench(consumed), { recordsPerSecond: 103_028, latency: null })
  assert.throws(() => parseBench('nats: error: no servers'), /no servers/)
})

test('the shell’s times: user and system of its children', () => {
  assert.equal(parseTimes('said something\n0m0.010s 0m0.002s\n1m2.500s 0m1.250s\n'), 63.75)
  assert.throws(() => parseTimes(''), /times said/)
})

test('a tool that wants a number of records gets one that lasts as long as asked, once its rate is known', async () => {
  const counts = new RecordCounts()
  const asked: number[] = []
  let rate = 1_000
  await counts.warmUp('load', 4, async count => {
    asked.push(count)
    // It gets faster as it is compiled.
    rate = Math.min(4_000, 2 * rate)
    return { records: count, seconds: count / rate }
  })
  assert.deepEqual(asked, [2_000, 2_000, 4_000, 4_000, 4_000])
  assert.equal(counts.countFor('load', 3), 12_000)
  assert.equal(counts.countFor('load', 0), 200)
  assert.equal(counts.countFor('another', 3), 2_000)
})
