/** The REST routes over a real port, and a gateway in memory: every row of what is asked for, answered and refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorName, errorTable } from '../../src/protocol/errors.ts'
import { KiB } from '../../src/util/units.ts'
import { until } from '../platform/ws-rig.ts'
import { batchWith, type RestRig, restRig } from './rest-rig.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

async function ask(rig: RestRig, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(rig.url + path, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text || '{}') : { text } }
}

function post(rig: RestRig, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const type = { 'content-type': 'application/json' }
  return ask(rig, path, { method: 'POST', body: text as BodyInit, headers: { ...type, ...headers } })
}

const stored = (rig: RestRig, partition: number) =>
  rig.gateway.stored(partition).map(({ key, value }) => [key, value].map(part => part && Buffer.from(part).toString()))

test('POST: one record, several, to a partition, and where keys put them', async () => {
  await using rig = await restRig()
  const one = await post(rig, '/t/partitions/2/records', { key: 'k', value: { a: 1 } })
  assert.deepEqual([one.status, one.body], [200, { topic: 't', partition: 2, offset: 0 }])
  const several = await post(rig, '/t/records', {
    records: [
      { key: 'a', value: 1 },
      { partition: 2, value: 'x' },
      { key: 'b', value: 2 },
    ],
  })
  // Kafka's murmur2 of "a" and of "b", modulo 3.
  assert.deepEqual(several.body, {
    topic: 't',
    records: [
      { partition: 1, offset: 0 },
      { partition: 2, offset: 1 },
      { partition: 2, offset: 2 },
    ],
  })
  assert.equal(several.status, 200)
  assert.deepEqual(stored(rig, 2), [
    ['k', '{"a":1}'],
    [null, 'x'],
    ['b', '2'],
  ])
  assert.deepEqual(
    rig.gateway.produced.map(({ acks, timeoutMs }) => [acks, timeoutMs]),
    Array(3).fill([-1, 30_000]),
  )
})

test('POST: records without a key share a batch, the next request goes to the next partition that has a leader', async () => {
  await using rig = await restRig()
  rig.gateway.leaders[1] = null
  for (let i = 0; i < 3; i++) await post(rig, '/t/records', { records: [{ value: 'a' }, { value: 'b' }] })
  assert.deepEqual(
    rig.gateway.produced.map(({ partition }) => partition),
    [0, 2, 2],
  )
  assert.deepEqual(
    rig.gateway.batches.map(batches => batches.length),
    [1, 0, 2],
  )
})

test('POST: bytes as they are, with key, headers, timestamp and partition in the query', async () => {
  await using rig = await restRig()
  const value = Uint8Array.of(0, 255, 10)
  const query = 'keyBase64=AP8%3D&header=a:b:c&header=a:&timestamp=5&partition=1&acks=1&timeoutMs=77'
  const { status, body } = await post(rig, `/t/records?${query}`, value, { 'content-type': 'application/octet-stream' })
  assert.deepEqual([status, body], [200, { topic: 't', partition: 1, offset: 0 }])
  const [record] = rig.gateway.stored(1)
  assert.deepEqual([...record!.key!], [0, 255])
  assert.deepEqual([...record!.value!], [...value])
  assert.equal(record!.timestamp, 5)
  assert.deepEqual(
    record!.headers.map(({ name, value }) => [name, Buffer.from(value!).toString()]),
    [
      ['a', 'b:c'],
      ['a', ''],
    ],
  )
  const { acks, timeoutMs } = rig.gateway.produced[0]!
  assert.deepEqual([acks, timeoutMs], [1, 77])
  const text = await post(rig, '/t/partitions/0/records?key=k', '', { 'content-type': 'application/octet-stream' })
  assert.equal(text.status, 200)
  assert.deepEqual(stored(rig, 0), [['k', '']])
})

test('POST: acks 0 is accepted, and no offset is claimed', async () => {
  await using rig = await restRig()
  const one = await post(rig, '/t/partitions/0/records?acks=0', { value: 1 })
  assert.deepEqual([one.status, one.body], [202, { topic: 't', partition: 0, offset: null }])
  const several = await post(rig, '/t/partitions/0/records?acks=0', { records: [{ value: 1 }] })
  assert.deepEqual([several.status, several.body], [202, { topic: 't', records: [{ partition: 0, offset: null }] }])
})

test('POST: what is refused before anything is produced', async () => {
  await using rig = await restRig()
  const json = { 'content-type': 'application/json' }
  const raw = { 'content-type': 'application/octet-stream' }
  const rows: ReadonlyArray<[string, string, Record<string, string>, number, ErrorName]> = [
    ['/nothing/records', '{"value":1}', json, 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['/t/partitions/3/records', '{"value":1}', json, 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['/t/partitions/x/records', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/partitions/-1/records', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/partitions/99999999999999999999/records', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/%ff/records', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records', '{"value":', json, 400, 'INVALID_REQUEST'],
    ['/t/records', '{"valeu":1}', json, 400, 'INVALID_RECORD'],
    ['/t/partitions/1/records', '{"value":1,"partition":2}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?acks=2', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?acks=1&acks=1', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?timeoutMs=0', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?ack=1', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?key=k', '{"value":1}', json, 400, 'INVALID_REQUEST'],
    ['/t/records?key=k&keyBase64=AA==', 'v', raw, 400, 'INVALID_REQUEST'],
    ['/t/records?keyBase64=!', 'v', raw, 400, 'INVALID_REQUEST'],
    ['/t/records?header=nocolon', 'v', raw, 400, 'INVALID_REQUEST'],
    ['/t/records?timestamp=1.5', 'v', raw, 400, 'INVALID_REQUEST'],
    ['/t/records', 'value=1', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'INVALID_REQUEST'],
    ['/t/records', 'v', { 'content-type': 'text/plain' }, 415, 'INVALID_REQUEST'],
  ]
  for (const [path, text, headers, status, error] of rows) {
    const answer = await post(rig, path, text, headers)
    assert.deepEqual([answer.status, answer.body.error], [status, error], `${path} ${text}`)
    assert.equal(typeof answer.body.message, 'string')
    assert.equal(answer.body.retriable, errorTable[error].retriable)
  }
  assert.deepEqual(rig.gateway.produced, [])
  assert.equal(
    (await post(rig, '/t/records', '{"value":1}', { 'content-type': 'Application/JSON; charset=utf-8' })).status,
    200,
  )
})

test('errors of the protocol, and the status of each', async () => {
  await using rig = await restRig()
  const rows: ReadonlyArray<[ErrorName, number]> = [
    ['UNKNOWN_TOPIC_OR_PARTITION', 404],
    ['MESSAGE_TOO_LARGE', 413],
    ['RECORD_LIST_TOO_LARGE', 413],
    ['INVALID_RECORD', 400],
    ['TOPIC_AUTHORIZATION_FAILED', 403],
    ['THROTTLING_QUOTA_EXCEEDED', 429],
    ['NOT_ENOUGH_REPLICAS', 503],
    ['NOT_LEADER_OR_FOLLOWER', 503],
    ['LEADER_NOT_AVAILABLE', 503],
    ['BROKER_OVERLOADED', 503],
    ['SHUTTING_DOWN', 503],
    ['DISK_FULL', 507],
    // Stored, perhaps: nothing in between may repeat these by itself.
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 504],
    ['FENCED_LEADER_EPOCH', 504],
    ['REQUEST_TIMED_OUT', 504],
    ['NETWORK_EXCEPTION', 502],
    ['KAFKA_STORAGE_ERROR', 500],
  ]
  for (const [error, status] of rows) {
    rig.gateway.refuseProduce = () => ({ error, message: 'Why.' })
    const answer = await post(rig, '/t/records', { value: 1 })
    const { retriable } = errorTable[error]
    assert.deepEqual([answer.status, answer.body], [status, { error, message: 'Why.', retriable }], error)
    assert.equal(answer.headers.get('retry-after'), status === 503 || status === 429 ? '1' : null, error)
  }
  for (const [error, status] of [
    ['OFFSET_OUT_OF_RANGE', 416],
    ['OFFSET_NOT_AVAILABLE', 503],
  ] as const) {
    rig.gateway.refuseFetch = { error, message: 'Why.' }
    const answer = await ask(rig, '/t/partitions/0/records')
    assert.deepEqual([answer.status, answer.body.error], [status, error])
  }
})

test('several records: all failed is that failure, some failed is 207, each says what became of it', async () => {
  await using rig = await restRig()
  const records = [
    { partition: 0, value: 1 },
    { partition: 1, value: 2 },
    { partition: 0, value: 3 },
  ]
  const failure = { error: 'NOT_ENOUGH_REPLICAS', message: 'Why.', retriable: true }
  rig.gateway.refuseProduce = ({ partition }) =>
    partition === 1 ? { error: 'NOT_ENOUGH_REPLICAS', message: 'Why.' } : null
  const some = await post(rig, '/t/records', { records })
  assert.equal(some.status, 207)
  assert.deepEqual(some.body, {
    topic: 't',
    records: [
      { partition: 0, offset: 0 },
      { partition: 1, ...failure },
      { partition: 0, offset: 1 },
    ],
  })
  rig.gateway.refuseProduce = () => ({ error: 'NOT_ENOUGH_REPLICAS', message: 'Why.' })
  const all = await post(rig, '/t/records', { records: records.slice(0, 2) })
  assert.equal(all.status, 503)
  assert.deepEqual(all.body, {
    ...failure,
    topic: 't',
    records: [
      { partition: 0, ...failure },
      { partition: 1, ...failure },
    ],
  })
  assert.equal(all.headers.get('retry-after'), '1')
})

test('GET: records from an offset on, headers and all, and where to go on', async () => {
  await using rig = await restRig()
  rig.gateway.append(
    0,
    batchWith([
      { value: encode('{"n":1}') },
      { key: encode('k'), value: Uint8Array.of(255), headers: [{ name: 'h', value: encode('1') }] },
    ]),
  )
  rig.gateway.append(0, batchWith([{ value: null }]))
  const all = await ask(rig, '/t/partitions/0/records')
  const timestamp = 1_700_000_000_000
  const records = [
    { offset: 0, timestamp, key: null, value: { n: 1 }, headers: [] },
    { offset: 1, timestamp, key: 'k', valueBase64: '/w==', headers: [{ name: 'h', value: '1' }] },
    { offset: 2, timestamp, key: null, value: null, headers: [] },
  ]
  const head = { topic: 't', partition: 0, logStartOffset: 0, highWatermark: 3 }
  assert.deepEqual([all.status, all.body], [200, { ...head, nextOffset: 3, records }])
  const within = await ask(rig, '/t/partitions/0/records?offset=1&maxRecords=1')
  assert.deepEqual(within.body, { ...head, nextOffset: 2, records: [records[1]] })
  const end = await ask(rig, '/t/partitions/0/records?offset=end')
  assert.deepEqual(end.body, { ...head, nextOffset: 3, records: [] })
  const text = await ask(rig, '/t/partitions/0/records?offset=start&format=text&maxRecords=1')
  assert.deepEqual((text.body.records as Record<string, unknown>[])[0]!.value, '{"n":1}')
  const binary = await ask(rig, '/t/partitions/0/records?offset=0&format=base64&maxRecords=1')
  assert.deepEqual((binary.body.records as Record<string, unknown>[])[0]!.valueBase64, 'eyJuIjoxfQ==')
  assert.equal(rig.gateway.held, 0, 'what was fetched is given back')
})

test('GET: an answer ends at maxBytes, a record at least, and reading on finds every record once', async () => {
  await using rig = await restRig()
  const values = Array.from({ length: 50 }, (_, i) => `value ${i} ${'x'.repeat(i * 7)}`)
  rig.gateway.append(
    0,
    batchWith(
      values.slice(0, 20).map(value => ({ value: encode(value) })),
      'gzip',
    ),
  )
  rig.gateway.append(0, batchWith(values.slice(20).map(value => ({ value: encode(value) }))))
  const seen: unknown[] = []
  let requests = 0
  for (let offset = 0; offset < 50; requests++) {
    const { body } = await ask(rig, `/t/partitions/0/records?offset=${offset}&maxBytes=900`)
    const records = body.records as { value: string }[]
    assert.ok(records.length > 0)
    seen.push(...records.map(({ value }) => value))
    offset = body.nextOffset as number
  }
  assert.deepEqual(seen, values)
  assert.ok(requests > 10, `${requests} requests`)
  assert.deepEqual(
    rig.gateway.fetched.map(({ maxBytes }) => maxBytes),
    Array(requests).fill(900),
  )
})

test('GET: maxRecords may end within a batch that gets large when it is unpacked', async () => {
  await using rig = await restRig()
  rig.gateway.append(
    0,
    batchWith(
      [...Array(5_000)].map(() => ({ value: encode('same') })),
      'gzip',
    ),
  )
  const offsets: number[] = []
  for (let offset = 0; offset < 5_000; ) {
    const { body } = await ask(rig, `/t/partitions/0/records?offset=${offset}&maxRecords=1250`)
    offsets.push(...(body.records as { offset: number }[]).map(record => record.offset))
    offset = body.nextOffset as number
  }
  assert.deepEqual(offsets, [...Array(5_000).keys()])
})

test('GET: a record larger than a request may be is not made JSON of, but given as it is', async () => {
  const bodyBytesMax = 64 * KiB
  await using rig = await restRig({ bodyBytesMax })
  const large = new Uint8Array(bodyBytesMax + 1)
  rig.gateway.append(0, batchWith([{ value: encode('before') }, { value: large }, { value: encode('behind') }], 'gzip'))
  const before = await ask(rig, '/t/partitions/0/records')
  assert.deepEqual([before.status, before.body.nextOffset], [200, 1])
  const refused = await ask(rig, '/t/partitions/0/records?offset=1')
  assert.deepEqual([refused.status, refused.body.error], [406, 'MESSAGE_TOO_LARGE'])
  assert.match(refused.body.message as string, /offset 1 has 65537 bytes.*octet-stream/)
  const raw = await fetch(`${rig.url}/t/partitions/0/records?offset=1`, {
    headers: { accept: 'application/octet-stream' },
  })
  assert.deepEqual([raw.status, raw.headers.get('millrace-next-offset')], [200, '2'])
  assert.deepEqual(new Uint8Array(await raw.arrayBuffer()), large)
})

test('GET: the value of one record as it is', async () => {
  await using rig = await restRig()
  rig.gateway.append(
    0,
    batchWith([
      { key: Uint8Array.of(1, 2), value: Uint8Array.of(0, 255) },
      { value: null },
      { key: new Uint8Array(4 * KiB), value: encode('v') },
    ]),
  )
  const raw = { headers: { accept: 'application/octet-stream' } }
  const response = await fetch(`${rig.url}/t/partitions/0/records?offset=0`, raw)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/octet-stream')
  assert.deepEqual([...new Uint8Array(await response.arrayBuffer())], [0, 255])
  const header = (name: string) => response.headers.get(`millrace-${name}`)
  assert.deepEqual(
    [header('offset'), header('next-offset'), header('high-watermark'), header('key-base64')],
    ['0', '1', '3', 'AQI='],
  )
  const tombstone = await ask(rig, '/t/partitions/0/records?offset=1', raw)
  assert.deepEqual(
    [tombstone.status, tombstone.headers.get('millrace-value'), tombstone.body],
    [200, 'null', { text: '' }],
  )
  const longKey = await ask(rig, '/t/partitions/0/records?offset=2', raw)
  assert.deepEqual([longKey.headers.get('millrace-key-base64'), longKey.body], [null, { text: 'v' }])
  const nothing = await ask(rig, '/t/partitions/0/records?offset=3', raw)
  assert.deepEqual([nothing.status, nothing.headers.get('millrace-next-offset')], [204, '3'])
})

test('GET: what is refused', async () => {
  await using rig = await restRig()
  const rows: ReadonlyArray<[string, number, ErrorName]> = [
    ['/t/partitions/0/records?offset=-1', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?offset=latest', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?maxBytes=0', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?maxBytes=65537', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?maxWaitMs=30001', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?format=xml', 400, 'INVALID_REQUEST'],
    ['/t/partitions/0/records?offest=1', 400, 'INVALID_REQUEST'],
    ['/t/partitions/3/records', 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['/nothing/partitions/0/records', 404, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['/t/partitions/0/records?offset=1', 416, 'OFFSET_OUT_OF_RANGE'],
    ['/t/partitions/0/record', 404, 'RESOURCE_NOT_FOUND'],
  ]
  for (const [path, status, error] of rows) {
    const answer = await ask(rig, path)
    assert.deepEqual([answer.status, answer.body.error], [status, error], path)
  }
  const batch = batchWith([{ value: encode('v') }])
  batch[batch.length - 1]! ^= 1
  rig.gateway.append(1, batch)
  const damaged = await ask(rig, '/t/partitions/1/records')
  assert.deepEqual([damaged.status, damaged.body.error], [500, 'CORRUPT_MESSAGE'])
  assert.equal(rig.gateway.held, 0)
})

test('GET: a long poll ends with a record, and when its client has gone', async () => {
  await using rig = await restRig()
  const polled = ask(rig, '/t/partitions/0/records?offset=0&maxWaitMs=30000')
  await until(() => rig.gateway.waiting.size === 1)
  rig.gateway.append(0, batchWith([{ value: encode('5') }]))
  assert.equal(((await polled).body.records as unknown[]).length, 1)
  const giveUp = new AbortController()
  const left = ask(rig, '/t/partitions/0/records?offset=1&maxWaitMs=30000', { signal: giveUp.signal })
  await until(() => rig.gateway.waiting.size === 1)
  giveUp.abort()
  await assert.rejects(left, { name: 'AbortError' })
  await until(() => rig.gateway.gone === 1 && rig.routes.stats.inFlight === 0)
  assert.equal(rig.routes.stats.heldBytes, 0)
  assert.equal(rig.routes.stats.route('fetch').byStatus.get(499), 1)
})

test('methods: what is served where, and HEAD is not a long poll', async () => {
  await using rig = await restRig()
  for (const [path, method, allow] of [
    ['/t/records', 'GET', 'POST'],
    ['/t/records', 'PUT', 'POST'],
    ['/t/partitions/0/records', 'DELETE', 'POST, GET'],
    ['/t/partitions/0/records', 'HEAD', 'POST, GET'],
    ['/t/records', 'OPTIONS', 'POST'],
  ] as const) {
    const answer = await ask(rig, path, { method })
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], `${method} ${path}`)
  }
})

test('pages: foreign origins get nothing, allowed ones may read, and are told before they post', async () => {
  await using rig = await restRig({}, { rules: { allowedOrigins: ['https://console.example'] } })
  const foreign = await post(rig, '/t/records', { value: 1 }, { origin: 'https://evil.example' })
  assert.equal(foreign.status, 403)
  assert.deepEqual(rig.gateway.produced, [])
  const origin = 'https://console.example'
  const allowed = await post(rig, '/t/records', { value: 1 }, { origin })
  assert.deepEqual(
    [allowed.status, allowed.headers.get('access-control-allow-origin'), allowed.headers.get('vary')],
    [200, origin, 'origin'],
  )
  const refused = await post(rig, '/nothing/records', { value: 1 }, { origin })
  assert.equal(refused.headers.get('access-control-allow-origin'), origin, 'errors are for them, too')
  const preflight = await ask(rig, '/t/partitions/0/records', { method: 'OPTIONS', headers: { origin } })
  assert.equal(preflight.status, 204)
  assert.deepEqual(
    ['origin', 'methods', 'headers'].map(name => preflight.headers.get(`access-control-allow-${name}`)),
    [origin, 'POST, GET', 'content-type'],
  )
  const program = await post(rig, '/t/records', { value: 1 })
  assert.equal(program.headers.get('access-control-allow-origin'), null)
})

test('metrics: requests by route and status, bytes of bodies, and a place for every route', async () => {
  await using rig = await restRig()
  await post(rig, '/t/partitions/0/records', '{"value":1}')
  await post(rig, '/t/partitions/0/records', '{"value"')
  await ask(rig, '/t/partitions/0/records')
  await ask(rig, '/t/nothing')
  const scrape = async (): Promise<string> => (await fetch(`${rig.ws.url.replace('ws:', 'http:')}/metrics`)).text()
  await scrape()
  const text = await scrape()
  for (const line of [
    'millrace_http_requests_total{route="produce",status="200"} 1',
    'millrace_http_requests_total{route="produce",status="400"} 1',
    'millrace_http_requests_total{route="fetch",status="200"} 1',
    'millrace_http_requests_total{route="none",status="404"} 1',
    'millrace_http_requests_total{route="metrics",status="200"} 1',
    `millrace_http_received_bytes_total{route="produce"} ${'{"value":1}{"value"'.length}`,
    'millrace_http_request_duration_seconds_count{route="produce"} 2',
    'millrace_http_in_flight_requests 1',
    'millrace_http_held_bytes 0',
    'millrace_http_refused_total{limit="overload"} 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
})
