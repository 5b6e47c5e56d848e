/** Health and metrics over a real port: what is served, what is not, and that the numbers are those of the sources. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BrokerStats } from '../../src/broker/stats.ts'
import { type HttpRoutes, openHttpRoutes, type PartitionView } from '../../src/http/index.ts'
import { latencyBucketsMs } from '../../src/transport/stats.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { upgradeHead, type WsRig, wsRig } from '../platform/ws-rig.ts'
import { echoApi } from '../transport/support.ts'
import { noRest } from './rest-rig.ts'

let rig: WsRig
let routes: HttpRoutes
const readiness = { isReady: false, reasons: ['The metadata is not loaded yet.'] }
const broker = new BrokerStats()
let logLooks = 0
const partitions: PartitionView[] = Array.from({ length: 5 }, (_, partition) => ({
  topic: 'orders "x"',
  partition,
  isLeader: partition < 4,
  isUnderMinIsr: partition === 0,
  replicas: 3,
  inSyncReplicas: 3 - (partition % 3),
  replicaLagRecords: 10 * partition,
  logStartOffset: 1,
  logEndOffset: 10 + partition,
  highWatermark: 9,
  sizeBytes: 100,
  segments: 2,
}))

before(async () => {
  rig = await wsRig({ onRequest: (request, response) => routes.onRequest(request, response) })
  routes = openHttpRoutes({
    readiness: () => readiness,
    logger: silentLogger,
    rest: noRest,
    metrics: {
      version: '1.2.3',
      nodeId: 4,
      transport: () => rig.listener.stats,
      latencyBucketsMs,
      port: () => rig.server.stats,
      broker: () => broker,
      replication: () => ({ failed: 1, lagMax: new Map([[3, 40]]), inFlightBytes: 99 }),
      log: () => {
        logLooks++
        return {
          bytesAppended: 1_000,
          writes: 3,
          syncs: 2,
          syncMsSamples: [0.3, 7, 9_000],
          oldestSyncMs: 1_500,
          isDiskFull: true,
          tailCacheBytes: 5,
          tailCacheHits: 6,
          tailCacheMisses: 7,
          openFiles: 8,
          pendingBytes: 9,
        }
      },
      quorum: () => ({
        role: 'leader',
        term: 3,
        leaderId: 4,
        commitIndex: 20,
        appliedIndex: 19,
        logEndIndex: 22,
        snapshotIndex: 10,
        voters: [{}],
      }),
      peers: () => ({ messagesSent: 31, messagesReceived: 32, messagesDropped: 33, framesSent: 34, unreached: 2 }),
      partitions: () => partitions,
      cluster: () => ({ offlinePartitions: 41, brokers: 42, fencedBrokers: 43 }),
      partitionSeriesMax: 3,
    },
  })
})
after(async () => {
  await routes.close(0)
  await rig.close()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

async function get(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${rig.url.replace('ws:', 'http:')}${path}`, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The samples of a scrape: `name{labels}` → value. */
async function scrape(): Promise<Map<string, number>> {
  const { text, status, headers } = await get('/metrics')
  assert.equal(status, 200)
  assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const samples = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$/.exec(line)
    assert.ok(match, `not a sample: ${line}`)
    assert.ok(!samples.has(match[1]!), `twice: ${line}`)
    samples.set(match[1]!, Number(match[2]))
  }
  return samples
}

test('/livez is alive whatever the state', async () => {
  const { status, text } = await get('/livez')
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(text), { status: 'alive' })
})

test('/readyz says why not, and then that it is', async () => {
  const unready = await get('/readyz')
  assert.equal(unready.status, 503)
  assert.deepEqual(JSON.parse(unready.text), { status: 'not ready', reasons: readiness.reasons })
  Object.assign(readiness, { isReady: true, reasons: [] })
  const ready = await get('/readyz?verbose=1')
  assert.equal(ready.status, 200)
  assert.deepEqual(JSON.parse(ready.text), { status: 'ready' })
})

test('HEAD has the head only; other methods and paths are JSON errors; no CORS header on health and metrics', async () => {
  const head = await get('/livez', { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.text, '')
  const missing = await get('/nothing')
  assert.equal(missing.status, 404)
  assert.equal(typeof JSON.parse(missing.text).error, 'string')
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const refused = await get('/metrics', { method })
    assert.equal(refused.status, 405)
    assert.equal(refused.headers.get('allow'), 'GET, HEAD')
    assert.equal(typeof JSON.parse(refused.text).error, 'string')
  }
  for (const answer of [head, missing]) assert.equal(answer.headers.get('access-control-allow-origin'), null)
})

test('a large body that nobody asked for is not read', async () => {
  const answer = await rig.http(
    `POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n${'x'.repeat(100_000)}`,
  )
  assert.match(answer, /^HTTP\/1.1 405 /)
})

test('a page of another origin and a rebound name get nothing, metrics included', async () => {
  for (const header of ['Origin: https://evil.example', 'Host: evil.example']) {
    const host = header.startsWith('Host') ? '' : 'Host: localhost\r\n'
    const answer = await rig.http(`GET /metrics HTTP/1.1\r\n${host}${header}\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1.1 403 /)
    assert.doesNotMatch(answer, /millrace_/)
  }
})

test('metrics are the numbers of the sources', async () => {
  const connection = await rig.connect()
  for (let i = 0; i < 3; i++) await connection.request(echoApi, { data: new Uint8Array(10), answerBytes: 10 })
  await rig.http(upgradeHead({ Origin: 'https://evil.example' }))
  broker.recordsIn += 42
  broker.isrShrinks += 7
  broker.appendBytesOut += 8
  const samples = await scrape()
  const expected = {
    [`millrace_build_info{version="1.2.3",node_version="${process.version}",node_id="4"}`]: 1,
    'millrace_requests_total{api="Echo"}': 3,
    'millrace_requests_total{api="ApiVersions"}': 1,
    'millrace_request_duration_seconds_count{api="Echo"}': 3,
    'millrace_request_duration_seconds_bucket{le="+Inf",api="Echo"}': 3,
    millrace_connections: 1,
    millrace_in_flight_bytes: 0,
    'millrace_connections_closed_total{cause="malformed"}': 0,
    millrace_records_produced_total: 42,
    millrace_log_appended_bytes_total: 1_000,
    millrace_log_oldest_sync_seconds: 1.5,
    millrace_log_disk_full: 1,
    'millrace_raft_role{role="leader"}': 1,
    'millrace_raft_role{role="follower"}': 0,
    millrace_raft_term: 3,
    millrace_raft_commit_index: 20,
    millrace_peer_messages_sent_total: 31,
    millrace_peer_messages_received_total: 32,
    millrace_peer_messages_dropped_total: 33,
    millrace_peer_frames_sent_total: 34,
    millrace_peers_unreached: 2,
    millrace_failed_partitions: 1,
    'millrace_follower_lag_records{follower="3"}': 40,
    millrace_replication_in_flight_bytes: 99,
    millrace_partitions: 5,
    millrace_leader_partitions: 4,
    millrace_under_min_isr_partitions: 1,
    millrace_under_replicated_partitions: 2,
    millrace_replica_lag_records_max: 30,
    millrace_isr_shrinks_total: 7,
    millrace_replication_sent_bytes_total: 8,
    millrace_offline_partitions: 41,
    millrace_cluster_brokers: 42,
    millrace_cluster_fenced_brokers: 43,
    millrace_log_size_bytes: 500,
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name)
  assert.ok(samples.get('millrace_tcp_refused_total{reason="access"}')! >= 1)
  assert.ok(samples.get('millrace_process_memory_bytes{kind="rss"}')! > 1e7)
  assert.ok(samples.get('millrace_process_cpu_seconds_total{mode="user"}')! > 0)
  await connection[Symbol.asyncDispose]()
})

test('buckets are cumulative, and every metric has the prefix and a help', async () => {
  const { text } = await get('/metrics')
  for (const line of text.split('\n')) if (line !== '') assert.match(line, /^(# (HELP|TYPE) )?millrace_/)
  const samples = await scrape()
  let last = 0
  for (const ms of latencyBucketsMs) {
    const count = samples.get(`millrace_request_duration_seconds_bucket{le="${ms / 1000}",api="Echo"}`)!
    assert.ok(count >= last)
    last = count
  }
})

test('sync times are collected once per scrape', async () => {
  const looks = logLooks
  const before = await scrape()
  const after = await scrape()
  assert.equal(logLooks, looks + 2)
  const name = 'millrace_log_sync_duration_seconds'
  assert.equal(after.get(`${name}_count`)! - before.get(`${name}_count`)!, 3)
  assert.equal(after.get(`${name}_bucket{le="0.0005"}`), after.get(`${name}_count`)! / 3)
  assert.equal(after.get(`${name}_bucket{le="5"}`), (after.get(`${name}_count`)! * 2) / 3)
})

test('partitions have series of their own up to the limit, and the rest is counted', async () => {
  const samples = await scrape()
  const series = [...samples.keys()].filter(name => name.startsWith('millrace_partition_log_end_offset{'))
  assert.equal(series.length, 3)
  assert.equal(samples.get('millrace_partition_log_end_offset{topic="orders \\"x\\"",partition="2"}'), 12)
  assert.equal(samples.get('millrace_partition_series_omitted'), 2)
  assert.equal(samples.get('millrace_partition_in_sync_replicas{topic="orders \\"x\\"",partition="1"}'), 2)
  assert.equal(samples.get('millrace_partition_replica_lag_records{topic="orders \\"x\\"",partition="2"}'), 20)
})

test('the event loop’s delay is reported, and a source that fails is a 500 with a log line, not a crash', async () => {
  await scrape()
  const broken = openHttpRoutes({
    readiness: () => {
      throw new Error('secret detail')
    },
    logger: silentLogger,
    rest: noRest,
    metrics: { version: '1', nodeId: 1, partitionSeriesMax: 0 },
  })
  const other = await wsRig({ onRequest: broken.onRequest })
  const answer = await fetch(`${other.url.replace('ws:', 'http:')}/readyz`)
  assert.equal(answer.status, 500)
  assert.doesNotMatch(await answer.text(), /secret/)
  const metrics = await (await fetch(`${other.url.replace('ws:', 'http:')}/metrics`)).text()
  assert.match(metrics, /# TYPE millrace_event_loop_delay_seconds gauge/)
  await broken.close(0)
  await other.close()
})
