/** What REST requests may hold: bodies, answers, places in a row; and what becomes of who asks for more, or is slow. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { HttpStats } from '../../src/http/http-stats.ts'
import { RequestMemory } from '../../src/http/request-memory.ts'
import type { Failure } from '../../src/protocol/errors.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { until } from '../platform/ws-rig.ts'
import { batchWith, type RestRig, restRig } from './rest-rig.ts'

const path = '/v1/topics/t/partitions/0/records'

function head(bytes: number | 'chunked', more = ''): string {
  const length = bytes === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n${length}\r\n${more}\r\n`
}

/** A connection, and what came on it so far. */
async function raw(rig: RestRig): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect(rig.ws.server.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  return { socket, text: () => text }
}

const post = (rig: RestRig, body: Uint8Array | string) =>
  fetch(`${rig.url}/t/partitions/0/records`, {
    method: 'POST',
    body: body as BodyInit,
    headers: { 'content-type': 'application/octet-stream' },
  })

test('a body above the limit is refused by what it declares, unread, and by what comes', async () => {
  await using rig = await restRig({ bodyBytesMax: 10 * KiB })
  assert.equal((await post(rig, new Uint8Array(10 * KiB))).status, 200)
  const large = await post(rig, new Uint8Array(10 * KiB + 1))
  assert.equal(large.status, 413)
  assert.equal(((await large.json()) as Failure).error, 'MESSAGE_TOO_LARGE')
  const declared = await raw(rig)
  declared.socket.write(head(1e12))
  await until(() => declared.text().includes('413'))
  const chunked = await raw(rig)
  chunked.socket.write(head('chunked'))
  for (let i = 0; i < 11 && !chunked.text().includes('413'); i++) {
    chunked.socket.write(`400\r\n${'x'.repeat(1024)}\r\n`)
  }
  await until(() => chunked.text().includes('413'))
  assert.equal(rig.gateway.produced.length, 1)
  for (const { socket } of [declared, chunked]) socket.destroy()
  await until(() => rig.routes.stats.inFlight === 0)
  assert.equal(rig.routes.stats.heldBytes, 0)
})

test('from half of the memory on new requests wait unread, and go on in the order they came', async () => {
  await using rig = await restRig({ bodyBytesMax: 20 * KiB, heldBytesMax: 40 * KiB })
  const answers: Array<() => void> = []
  rig.gateway.refuseProduce = () => new Promise(resolve => answers.push(() => resolve(null)))
  const first = post(rig, new Uint8Array(20 * KiB))
  await until(() => answers.length === 1)
  const others = [1, 2, 3].map(size => post(rig, new Uint8Array(size)))
  await until(() => rig.routes.stats.waiting === 3)
  assert.equal(rig.gateway.produced.length, 1, 'those that wait have not begun')
  const metrics = await fetch(`${rig.ws.url.replace('ws:', 'http:')}/metrics`)
  assert.match(await metrics.text(), /millrace_http_waiting_requests 3\n/, 'the operator does not wait')
  answers.shift()!()
  assert.equal((await first).status, 200)
  await until(() => answers.length === 3)
  for (const answer of answers.splice(0)) answer()
  assert.deepEqual(
    (await Promise.all(others)).map(({ status }) => status),
    [200, 200, 200],
  )
  await until(() => rig.routes.stats.inFlight === 0)
  assert.deepEqual([rig.routes.stats.waiting, rig.routes.stats.heldBytes], [0, 0])
})

test('who gives up while waiting leaves the row', async () => {
  await using rig = await restRig({ bodyBytesMax: 20 * KiB, heldBytesMax: 40 * KiB })
  let answer = (): void => {}
  rig.gateway.refuseProduce = () =>
    new Promise(resolve => {
      answer = () => resolve(null)
    })
  const first = post(rig, new Uint8Array(20 * KiB))
  await until(() => rig.gateway.produced.length === 1)
  const { socket } = await raw(rig)
  socket.write(`${head(1)}x`)
  await until(() => rig.routes.stats.waiting === 1)
  socket.destroy()
  await until(() => rig.routes.stats.waiting === 0)
  answer()
  await first
  assert.equal(rig.gateway.produced.length, 1)
})

test('at the limit who asks for more is refused, and told when to come again', async () => {
  await using rig = await restRig({ bodyBytesMax: 60 * KiB, heldBytesMax: 64 * KiB })
  // Two that began with nothing: neither waits for the other.
  const slow = await raw(rig)
  slow.socket.write(`${head(60 * KiB)}${'x'.repeat(30 * KiB)}`)
  await until(() => rig.routes.stats.heldBytes > 30 * KiB)
  const other = await raw(rig)
  other.socket.write(`${head(60 * KiB)}x`)
  await until(() => rig.routes.stats.heldBytes > 32 * KiB)
  slow.socket.write('x'.repeat(25 * KiB))
  await until(() => rig.routes.stats.heldBytes > 55 * KiB)
  other.socket.write('x'.repeat(10 * KiB))
  await until(() => other.text().includes('"BROKER_OVERLOADED"'))
  assert.match(other.text(), /^HTTP\/1\.1 503 [\s\S]*retry-after: 1\r\n/)
  slow.socket.write('x'.repeat(5 * KiB))
  await until(() => slow.text().includes('"offset":0'))
  assert.equal(rig.routes.stats.refused.overload, 1)
  slow.socket.destroy()
  other.socket.destroy()
  await until(() => rig.routes.stats.inFlight === 0)
  assert.equal(rig.routes.stats.heldBytes, 0)
})

test('requests sent ahead on one connection are bounded, those within the bound are answered in order', async () => {
  await using rig = await restRig()
  const few = await raw(rig)
  few.socket.write(Array.from({ length: 16 }, (_, i) => `${head(1)}${i % 10}`).join(''))
  await until(() => few.text().split('"offset":').length === 17)
  const offsets = [...few.text().matchAll(/"offset":(\d+)/g)].map(([, offset]) => Number(offset))
  assert.deepEqual(
    offsets,
    Array.from({ length: 16 }, (_, i) => i),
  )
  assert.equal(
    rig.gateway
      .stored(0)
      .map(({ value }) => Buffer.from(value!).toString())
      .join(''),
    '0123456789012345',
    'in the order they were sent',
  )
  few.socket.destroy()
  const many = await raw(rig)
  const closed = once(many.socket, 'close')
  many.socket.write(`GET ${path}?offset=end&maxWaitMs=30000 HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(100))
  await closed
  assert.equal(rig.routes.stats.refused.pipelining > 0, true)
  await until(() => rig.routes.stats.inFlight === 0 && rig.gateway.waiting.size === 0)
})

test('an answer that nobody takes is given up', async () => {
  await using rig = await restRig({ slowReaderTimeoutMs: 50, bodyBytesMax: 16 * MiB, heldBytesMax: 64 * MiB })
  rig.gateway.append(0, batchWith([{ value: new Uint8Array(12 * MiB).fill(0x78) }]))
  const { socket } = await raw(rig)
  socket.pause()
  socket.write(`GET ${path}?maxBytes=${16 * MiB} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await until(() => rig.routes.stats.refused['slow-reader'] === 1 && rig.routes.stats.inFlight === 0)
  assert.equal(rig.routes.stats.heldBytes, 0)
  socket.destroy()
})

test('an answer that is taken slowly is given up when others wait for its memory', async () => {
  const limits = { slowReaderTimeoutMs: 1_000, bodyBytesMax: 16 * MiB, heldBytesMax: 48 * MiB }
  await using rig = await restRig(limits)
  rig.gateway.append(0, batchWith([{ value: new Uint8Array(15 * MiB).fill(0x78) }]))
  const slow = await raw(rig)
  slow.socket.pause()
  slow.socket.write(`GET ${path}?maxBytes=${16 * MiB} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await until(() => rig.routes.stats.heldBytes > 12 * MiB)
  // Often enough not to be taken for one that has stopped.
  const sips = setInterval(() => slow.socket.read(), 20)
  const other = await raw(rig)
  other.socket.write(`${head(1)}1`)
  await until(() => other.text().includes('"offset":1'))
  clearInterval(sips)
  assert.equal(rig.routes.stats.refused['slow-reader'], 1)
  slow.socket.destroy()
  other.socket.destroy()
})

test('a body that ends early is nobody’s request', async () => {
  await using rig = await restRig()
  const { socket } = await raw(rig)
  socket.write(`${head(100)}half`)
  await until(() => rig.routes.stats.inFlight === 1)
  socket.destroy()
  await until(() => rig.routes.stats.inFlight === 0)
  assert.deepEqual(rig.gateway.produced, [])
  assert.equal(rig.routes.stats.heldBytes, 0)
})

test('memory: whatever is taken, given back and waited for, the limit holds and nobody is forgotten', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const) }),
    fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('release' as const), at: fc.nat() }),
    fc.record({ kind: fc.constant('leave' as const), at: fc.nat() }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), steps => {
      const stats = new HttpStats()
      const memory = new RequestMemory(100, stats)
      const taken: number[] = []
      const waiting: Array<() => void> = []
      const begun: Array<() => void> = []
      for (const each of steps) {
        if (each.kind === 'enter') {
          const begin = (): void => {
            assert.equal(waiting.shift(), begin, 'in the order they came')
            begun.push(begin)
          }
          if (memory.enter(begin) === 'later') waiting.push(begin)
        } else if (each.kind === 'take') {
          if (memory.take(each.bytes)) taken.push(each.bytes)
        } else if (each.kind === 'release') {
          if (taken.length > 0) memory.release(taken.splice(each.at % taken.length, 1)[0]!)
        } else if (waiting.length > 0) {
          memory.leave(waiting.splice(each.at % waiting.length, 1)[0]!)
        }
        assert.equal(
          stats.heldBytes,
          taken.reduce((sum, bytes) => sum + bytes, 0),
        )
        assert.ok(stats.heldBytes <= 100)
        assert.equal(stats.waiting, waiting.length)
        assert.ok(waiting.length === 0 || stats.heldBytes >= 50, 'nobody waits for nothing')
      }
    }),
  )
})
