/** The client's end: matching, order, bounds, deadlines, and what becomes of requests when the connection goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { describeCluster } from '../../src/protocol/apis/describe-cluster.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { encodeErrorResponse } from '../../src/protocol/frame.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { type MemorySocket, memorySocketPair } from '../../src/simulation/memory-sockets.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import { AbortError } from '../../src/util/errors.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { clientOptions, echoApi, memoryUrl, parkApi, rig, settle } from './support.ts'

const nothing = new Uint8Array(0)
const isCode = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

/** What a promise has become, without waiting for it. */
function watch<T>(promise: Promise<T>): { value?: T; error?: Error & { code?: string } } {
  const seen: { value?: T; error?: Error } = {}
  promise.then(
    value => {
      seen.value = value
    },
    error => {
      seen.error = error
    },
  )
  return seen
}

test('opening introduces the client and learns who the node is', async () => {
  const { connect, clock, parked } = rig()
  const connection = await connect()
  assert.deepEqual(connection.peer, { clusterId: 'test-cluster', nodeId: 7, software: 'test' })
  assert.equal(connection.versions.get(echoApi.key)?.versionMax, 2)
  watch(connection.request(parkApi, { tag: 'x' }))
  await settle(clock)
  assert.equal(parked[0]?.context.clientId, 'test')
  assert.equal(parked[0]?.context.listener, 'TEST')
})

test('an urgent request is flushed once it is sent, others wait for the end of the turn', async () => {
  const { clock, listener } = rig()
  const [near, far] = memorySocketPair(clock)
  listener.accept(far)
  const calls: string[] = []
  const send = near.send.bind(near)
  const spied = Object.assign(near, {
    send: (message: Uint8Array) => {
      calls.push('send')
      send(message)
    },
    flush: () => calls.push('flush'),
  })
  const opening = openConnection(memoryUrl, {
    ...clientOptions(clock),
    socketFactory: { connect: () => Promise.resolve(spied) },
  })
  await settle(clock)
  const connection = await opening
  calls.length = 0
  const answers = [false, true].map(isUrgent =>
    connection.request(echoApi, { data: nothing, answerBytes: 1 }, { isUrgent }),
  )
  assert.deepEqual(calls, ['send', 'send', 'flush'])
  await settle(clock)
  await Promise.all(answers)
})

test('answers find their requests in whatever order they come', async () => {
  const { connect, clock, parked } = rig()
  const connection = await connect()
  const tags = Array.from({ length: 50 }, (_, i) => `${i}`)
  const answers = tags.map(tag => connection.request(parkApi, { tag }))
  await settle(clock)
  for (const request of parked.toReversed()) request.resolve()
  await settle(clock)
  assert.deepEqual(
    (await Promise.all(answers)).map(answer => answer.tag),
    tags,
  )
})

test('an error of the node is an ApiError with its name and its words', async () => {
  const { connect, clock, parked } = rig()
  const connection = await connect()
  const answer = connection.request(parkApi, { tag: 'x' })
  const seen = watch(answer)
  await settle(clock)
  parked[0]?.reject(new ApiError('NOT_CONTROLLER', 'Node 3 is.'))
  await settle(clock)
  assert.equal(seen.error?.code, 'NOT_CONTROLLER')
  assert.equal(seen.error?.message, 'Node 3 is.')
})

test('what the node does not serve, or the schema does not allow, is refused before it is sent', async () => {
  const { connect, listener } = rig()
  const connection = await connect()
  const received = listener.stats.bytesIn
  await assert.rejects(connection.request(describeCluster, { readTimeoutMs: 0 }), isCode('UNSUPPORTED_VERSION'))
  const newer = { ...echoApi, versionMin: 3, versionMax: 4 }
  await assert.rejects(connection.request(newer, { data: nothing, answerBytes: 1 }), isCode('UNSUPPORTED_VERSION'))
  await assert.rejects(connection.request(echoApi, { data: nothing, answerBytes: 0.5 }), ProtocolError)
  assert.equal(listener.stats.bytesIn, received)
})

test('a request out of time is given up, and its late answer is nobody’s', async () => {
  const { connect, clock, parked } = rig()
  const connection = await connect()
  const [slow, other] = [
    watch(connection.request(parkApi, { tag: 'slow' }, { timeoutMs: 100 })),
    watch(connection.request(parkApi, { tag: 'other' }, { timeoutMs: 5_000 })),
  ]
  await settle(clock)
  clock.advance(99)
  await settle(clock)
  assert.equal(slow.error?.code, undefined)
  clock.advance(1)
  await settle(clock)
  assert.equal(slow.error?.code, 'REQUEST_TIMED_OUT')
  for (const request of parked) request.resolve()
  await settle(clock)
  assert.equal(other.value?.tag, 'other')
  assert.equal(connection.isClosed, false)
})

test('a node that says nothing for a whole request timeout is taken for dead', async () => {
  const { connect, clock } = rig()
  const connection = await connect()
  const first = watch(connection.request(parkApi, { tag: 'a' }))
  await settle(clock)
  clock.advance(6_000)
  const second = watch(connection.request(parkApi, { tag: 'b' }))
  clock.advance(4_000)
  await settle(clock)
  assert.equal(first.error?.code, 'REQUEST_TIMED_OUT')
  assert.equal(second.error?.code, 'NETWORK_EXCEPTION')
  assert.equal(connection.isClosed, true)
})

test('one slow request does not make a node dead that answers others meanwhile', async () => {
  const { connect, clock } = rig()
  const connection = await connect()
  const slow = watch(connection.request(parkApi, { tag: 'a' }))
  await settle(clock)
  clock.advance(5_000)
  const echo = watch(connection.request(echoApi, { data: nothing, answerBytes: 1 }))
  await settle(clock)
  clock.advance(5_000)
  await settle(clock)
  assert.equal(echo.value?.data.length, 1)
  assert.equal(slow.error?.code, 'REQUEST_TIMED_OUT')
  assert.equal(connection.isClosed, false)
})

test('an aborted request rejects at once, waiting or sent, and leaves its place to others', async () => {
  const { connect, clock, parked } = rig()
  const connection = await connect({ inFlightBytesMax: 1 })
  await assert.rejects(connection.request(parkApi, { tag: 'x' }, { signal: AbortSignal.abort() }), AbortError)
  const [first, second] = [new AbortController(), new AbortController()]
  const seen = [
    watch(connection.request(parkApi, { tag: 'a' }, { signal: first.signal })),
    watch(connection.request(parkApi, { tag: 'b' }, { signal: second.signal })),
    watch(connection.request(parkApi, { tag: 'c' })),
  ]
  await settle(clock)
  assert.deepEqual(
    parked.map(request => request.tag),
    ['a'],
  )
  second.abort()
  first.abort()
  await settle(clock)
  assert.ok(seen[0]?.error instanceof AbortError && seen[1]?.error instanceof AbortError)
  assert.deepEqual(
    parked.map(request => request.tag),
    ['a', 'c'],
  )
  for (const request of parked) request.resolve()
  await settle(clock)
  assert.equal(seen[2]?.value?.tag, 'c')
})

test('above the in-flight bound requests wait their turn in order, and whenWritable says when there is room', async () => {
  const { connect, clock, parked, started } = rig()
  const connection = await connect({ inFlightBytesMax: 10 * KiB })
  assert.equal(connection.whenWritable(), null)
  const tags = Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(KiB))
  const answers = tags.map(tag => connection.request(parkApi, { tag }))
  const room = connection.whenWritable()
  assert.ok(room !== null && room === connection.whenWritable())
  const hasRoom = watch(room.then(() => true))
  await settle(clock)
  assert.ok(parked.length >= 9 && parked.length <= 10)
  assert.ok(connection.bufferedBytes > 19 * KiB)
  for (let done = 0; done < tags.length; done++) {
    parked[done]?.resolve()
    await settle(clock)
    assert.ok(parked.length - done <= 11)
  }
  await Promise.all(answers)
  assert.deepEqual(started, tags)
  assert.equal(hasRoom.value, true)
  assert.equal(connection.bufferedBytes, 0)
  assert.equal(connection.whenWritable(), null)
})

test('a node that does not read holds the client back at the socket’s high mark', async () => {
  const { clock, connection, server } = await pair()
  server.pause()
  const data = new Uint8Array(256 * KiB)
  for (let i = 0; i < 40; i++) connection.requestNoResponse(echoApi, { data, answerBytes: 0 })
  const room = connection.whenWritable()
  assert.ok(room !== null)
  const hasRoom = watch(room.then(() => true))
  await settle(clock)
  assert.equal(hasRoom.value, undefined)
  assert.ok(connection.bufferedBytes > 9 * MiB, 'what the socket does not take waits here')
  let received = 0
  server.onMessage = () => received++
  server.resume()
  await settle(clock)
  assert.equal(received, 40)
  assert.equal(hasRoom.value, true)
})

test('when the connection goes, what was under way or waiting fails with NETWORK_EXCEPTION, and so does what comes later', async () => {
  const { connect, clock, listener } = rig()
  const connection = await connect({ inFlightBytesMax: 1 })
  const seen = ['a', 'b'].map(tag => watch(connection.request(parkApi, { tag })))
  const reasons: Error[] = []
  connection.onClose(reason => reasons.push(reason))
  await settle(clock)
  const room = connection.whenWritable()
  const closing = listener.close(10)
  clock.advance(10)
  await settle(clock)
  await closing
  await room
  assert.deepEqual(
    seen.map(({ error }) => error?.code),
    ['NETWORK_EXCEPTION', 'NETWORK_EXCEPTION'],
  )
  connection.onClose(reason => reasons.push(reason))
  assert.equal(reasons.length, 2)
  assert.equal(connection.isClosed, true)
  await assert.rejects(connection.request(parkApi, { tag: 'c' }), isCode('NETWORK_EXCEPTION'))
  assert.throws(() => connection.requestNoResponse(parkApi, { tag: 'd' }), isCode('NETWORK_EXCEPTION'))
})

test('disposing closes with 1000 and waits for the socket', async () => {
  const { connect, clock, listener, parked } = rig()
  const connection = await connect()
  const under = watch(connection.request(parkApi, { tag: 'a' }))
  await settle(clock)
  const disposing = connection[Symbol.asyncDispose]()
  await settle(clock)
  await disposing
  assert.equal(under.error?.code, 'NETWORK_EXCEPTION')
  assert.equal(parked[0]?.context.signal.aborted, true)
  assert.equal(listener.stats.connections, 0)
  await connection[Symbol.asyncDispose]()
})

test('bytes that are no response close the connection; a body that is none fails its request alone', async () => {
  const { clock, connection, server } = await pair()
  const seen = watch(connection.request(echoApi, { data: nothing, answerBytes: 1 }))
  await settle(clock)
  // Correlation 2: ApiVersions was 1.
  server.send(new Uint8Array([0x93, 2, 0, 0x91, 0xc0]))
  await settle(clock)
  assert.ok(seen.error instanceof ProtocolError)
  assert.equal(connection.isClosed, false)
  server.send(encodeErrorResponse(77, 42, 'for a request that was never made'))
  await settle(clock)
  assert.equal(connection.isClosed, false)
  const lost = watch(connection.request(echoApi, { data: nothing, answerBytes: 1 }))
  server.send(new Uint8Array([0xc1]))
  await settle(clock)
  assert.equal(connection.isClosed, true)
  assert.equal(lost.error?.code, 'NETWORK_EXCEPTION')
})

test('a node that refuses or ignores ApiVersions does not open', async () => {
  const refusing = dial()
  const refused = watch(refusing.opening)
  await settle(refusing.clock)
  refusing.server.send(encodeErrorResponse(1, 35, 'not that version'))
  await settle(refusing.clock)
  assert.equal(refused.error?.code, 'UNSUPPORTED_VERSION')
  const silent = dial()
  const ignored = watch(silent.opening)
  await settle(silent.clock)
  silent.clock.advance(5_000)
  await settle(silent.clock)
  assert.equal(ignored.error?.code, 'REQUEST_TIMED_OUT')
  assert.equal(silent.isGone(), true)
})

test('opening can be given up', async () => {
  const abort = new AbortController()
  const { opening, clock, isGone } = dial(abort.signal)
  const seen = watch(opening)
  await settle(clock)
  abort.abort()
  await settle(clock)
  assert.ok(seen.error instanceof AbortError)
  assert.equal(isGone(), true)
})

function dial(signal?: AbortSignal) {
  const clock = new VirtualClock()
  const [client, server] = memorySocketPair(clock)
  let isGone = false
  server.onClose = () => {
    isGone = true
  }
  const opening = openConnection(memoryUrl, {
    ...clientOptions(clock),
    socketFactory: { connect: async () => client },
    ...(signal === undefined ? {} : { signal }),
  })
  return { clock, server: server as MemorySocket, opening, isGone: () => isGone }
}

/** A connection whose other end is a bare socket, `ApiVersions` answered. */
async function pair() {
  const { clock, server, opening } = dial()
  await settle(clock)
  const apis = [apiVersions, echoApi].map(({ key, versionMin, versionMax }) => [key, versionMin, versionMax])
  server.send(pack([1, 0, [apis, 'c', 1, 's']]))
  await settle(clock)
  return { clock, server, connection: await opening }
}
