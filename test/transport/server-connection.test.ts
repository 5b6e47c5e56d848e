/** Requests in, answers out: order, errors, limits on what is in flight and on what is unread, closing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { ApiError, errorCode } from '../../src/protocol/errors.ts'
import { decodeResponseEnvelope, encodeRequest } from '../../src/protocol/frame.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { responseFrameLimits } from '../../src/protocol/prescan.ts'
import { memorySocketPair } from '../../src/simulation/memory-sockets.ts'
import { defineHandler, type Handler } from '../../src/transport/handler.ts'
import { defaultTransportLimits, requestOverheadBytes } from '../../src/transport/limits.ts'
import { closeCode } from '../../src/transport/socket.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { AbortError, AssertionError, StorageError } from '../../src/util/errors.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { echoApi, type Parked, parkApi, type RawClient, rig, settle } from './support.ts'

test('handlers start in the order of arrival, answers leave in the order in which they are ready', async () => {
  const { established, parked, started } = rig()
  const client = await established()
  const [a, b] = [client.park('a'), client.park('b')]
  const c = client.echo(1)
  const d = client.park('d')
  await client.settle()
  assert.deepEqual(started, ['a', 'b', 'echo', 'd'])
  for (const tag of ['d', 'a', 'b']) find(parked, tag).resolve()
  await client.settle()
  assert.deepEqual(client.answeredIds, [c, d, a, b])
})

test('an unknown API, an unknown version and a body of the wrong shape are answers; the connection lives', async () => {
  const { established, listener } = rig()
  const client = await established()
  client.socket.send(pack([31_000, 0, 1, []]))
  client.socket.send(pack([echoApi.key, 0, 2, []]))
  client.socket.send(pack([echoApi.key, 3, 3, []]))
  client.socket.send(pack([echoApi.key, 1, 4, [new Uint8Array(1), 'x']]))
  client.socket.send(pack([echoApi.key, 1, 5, [new Uint8Array(1)]]))
  client.echo(2)
  await client.settle()
  const [unsupported, invalid] = [errorCode('UNSUPPORTED_VERSION'), errorCode('INVALID_REQUEST')]
  assert.deepEqual(
    client.answers.map(answer => answer.errorCode),
    [unsupported, unsupported, unsupported, invalid, invalid, 0],
  )
  assert.equal(client.answers[3]?.body, 'EchoRequest.answerBytes: expected int32, found a string of 1')
  assert.match(String(client.answers[2]?.body), /versions 1 to 2/)
  assert.equal(listener.stats.unsupportedRequests, 3)
  assert.equal(listener.stats.apis.get(echoApi.key)?.errorsByName.get('INVALID_REQUEST'), 2)
})

test('what a handler throws, at once or later, becomes its code; what nobody expected is logged and not told', async () => {
  const thrown = new Map<string, unknown>([
    ['api', new ApiError('NOT_CONTROLLER', 'ask another')],
    ['plain', new Error('password=hunter2')],
    ['nothing', undefined],
    ['assertion', new AssertionError('a <= b')],
    ['storage', new StorageError('segment', 'EIO')],
    ['aborted', new AbortError('stopping')],
  ])
  const expected = [
    ['NOT_CONTROLLER', 'ask another'],
    ['UNKNOWN_SERVER_ERROR', /^The server met/],
    ['UNKNOWN_SERVER_ERROR', /^The server met/],
    ['UNKNOWN_SERVER_ERROR', /^The server met/],
    ['KAFKA_STORAGE_ERROR', /^The disk failed/],
    ['SHUTTING_DOWN', /^The node is/],
  ] as const
  const throwing = defineHandler({ ...parkApi, key: 2_002, name: 'Throw' }, ({ tag }) => {
    const error = thrown.get(tag)
    throw error
  })
  const { established, parked, fatal, logged } = rig({ handlers: [throwing] })
  const client = await established()
  for (const tag of thrown.keys()) client.socket.send(pack([2_002, 0, 1, [tag]]))
  for (const tag of thrown.keys()) client.park(tag)
  await client.settle()
  for (const [tag, error] of thrown) find(parked, tag).reject(error)
  await client.settle()
  assert.equal(client.answers.length, 2 * thrown.size)
  for (const [i, answer] of client.answers.entries()) {
    const [name, message] = expected[i % thrown.size]!
    assert.equal(answer.errorCode, errorCode(name), `${i}`)
    if (typeof message === 'string') assert.equal(answer.body, message)
    else assert.match(String(answer.body), message)
  }
  assert.deepEqual(
    fatal.map(error => error.name),
    ['AssertionError', 'StorageError', 'AssertionError', 'StorageError'],
  )
  assert.equal(logged.length, 2 * 4)
})

test('a response that does not encode is the server’s error', async () => {
  const wrong = defineHandler({ ...echoApi, key: 2_002, name: 'Wrong' }, () => ({ data: 'text' }) as never)
  const { established, logged } = rig({ handlers: [wrong] })
  const client = await established()
  client.socket.send(pack([2_002, 1, 1, [new Uint8Array(0), 1]]))
  await client.settle()
  assert.equal(client.answers.length, 1)
  assert.notEqual(client.answers[0]?.errorCode, 0)
  assert.ok(logged.length <= 1)
})

test('a large value of an answer leaves from where it is, if the socket can do that', async () => {
  const data = Uint8Array.from({ length: 64 * KiB }, (_, i) => i * 7)
  const lending = defineHandler({ ...echoApi, key: 2_002, name: 'Lend' }, () => ({ data }))
  const { clock, listener, established } = rig({ handlers: [lending] })
  const [near, far] = memorySocketPair(clock)
  const parted: Array<readonly Uint8Array[]> = []
  listener.accept(Object.assign(far, { sendParts: (parts: readonly Uint8Array[]) => parted.push(parts) }))
  near.send(encodeRequest(apiVersions, 0, 0, { clientId: 'raw', software: 'test' }))
  near.send(pack([2_002, 1, 7, [new Uint8Array(0), 0]]))
  await settle(clock)
  assert.equal(parted.length, 1)
  assert.ok(parted[0]!.includes(data))
  const { correlationId, body } = decodeResponseEnvelope(joinBytes(parted[0]!), responseFrameLimits)
  assert.deepEqual([correlationId, body], [7, [data]])
  const client = await established()
  client.socket.send(pack([2_002, 1, 8, [new Uint8Array(0), 0]]))
  await client.settle()
  assert.deepEqual(client.answers[0]!.body, [data])
})

test('null wants no answer, at once or later, and holds nothing', async () => {
  const quiet = defineHandler({ ...parkApi, key: 2_002, name: 'Quiet' }, () => null)
  const { established, parked, listener } = rig({ handlers: [quiet] })
  const client = await established()
  client.socket.send(pack([2_002, 0, 1, ['x']]))
  client.park('y')
  await client.settle()
  find(parked, 'y').resolve(null)
  await client.settle()
  assert.equal(client.answers.length, 0)
  assert.equal(listener.stats.inFlightBytes, 0)
  assert.equal(listener.stats.inFlightRequests, 0)
})

test('a connection at its in-flight limit is not read, and goes on in order when half of it is answered', async () => {
  const limits = { connectionInFlightBytesMax: 10 * (requestOverheadBytes + 20) }
  const { established, parked, started, listener } = rig({ limits })
  const [client, other] = [await established(), await established()]
  const tags = Array.from({ length: 5_000 }, (_, i) => `${i}`.padStart(6, '0'))
  for (const tag of tags) client.park(tag)
  await client.settle()
  assert.ok(parked.length >= 10 && parked.length <= 12, `${parked.length} started`)
  assert.equal(listener.stats.pauses.connection, 1)
  other.echo(1)
  await other.settle()
  assert.equal(other.answers.length, 1)
  for (let done = 0; done < tags.length; ) {
    assert.ok(listener.stats.inFlightBytes <= limits.connectionInFlightBytesMax + 600)
    for (; done < parked.length; done++) parked[done]!.resolve()
    await client.settle()
  }
  assert.deepEqual(
    started.filter(tag => tag !== 'echo'),
    tags,
  )
  assert.equal(client.answers.length, tags.length)
  assert.equal(listener.stats.inFlightBytes, 0)
})

test('at the node’s limit nobody is read; when there is room again everybody gets a turn', async () => {
  const limits = { nodeInFlightBytesMax: 8 * (requestOverheadBytes + 20) }
  const { established, parked, listener, clock } = rig({ limits })
  const clients: RawClient[] = []
  for (let i = 0; i < 6; i++) clients.push(await established())
  for (const [i, client] of clients.entries()) for (let n = 0; n < 20; n++) client.park(`${i}`)
  await settle(clock)
  assert.ok(parked.length <= 9, `${parked.length} started`)
  assert.equal(listener.stats.pauses.node, 6)
  const turns: string[] = []
  for (let done = 0; done < 120; ) {
    const fresh = parked.slice(done)
    assert.ok(fresh.length > 0, 'nothing goes on')
    assert.ok(fresh.length <= 9, `${fresh.length} at once`)
    done = parked.length
    turns.push(...new Set(fresh.map(request => request.tag)))
    for (const request of fresh) request.resolve()
    await settle(clock)
  }
  // Within the first rounds each connection had a turn: none waits for another to be done.
  assert.equal(new Set(turns.slice(0, 12)).size, 6, turns.join())
  assert.equal(listener.stats.inFlightBytes, 0)
})

test('a reader that does not read: its answers stop being made, others are served, and its time runs out', async () => {
  const { established, started, clock, listener } = rig()
  const [client, other] = [await established(), await established()]
  client.socket.pause()
  for (let i = 0; i < 100; i++) client.echo(256 * KiB)
  await settle(clock)
  assert.ok(started.length <= 6, `${started.length} started`)
  other.echo(256 * KiB)
  await settle(clock)
  assert.equal(other.answers.length, 1)
  clock.advance(29_000)
  await settle(clock)
  assert.equal(listener.stats.connections, 2)
  clock.advance(3_000)
  await settle(clock)
  assert.equal(listener.stats.closedBy['slow-reader'], 1)
  client.socket.resume()
  await settle(clock)
  assert.equal(client.closed?.code, closeCode.slowReader)
  assert.equal(listener.stats.connections, 1)
})

const heavyApi = { ...echoApi, key: 2_002, name: 'Heavy' }

/** Answers that hold memory: those in `alive`. */
function heavyHandler(alive: Set<object>): Handler {
  return defineHandler(heavyApi, async ({ answerBytes }) => {
    const body = { data: new Uint8Array(answerBytes), [Symbol.dispose]: () => void alive.delete(body) }
    alive.add(body)
    return body
  })
}

test('what answers hold is given back when the reader has taken them, or is gone', async () => {
  const alive = new Set<object>()
  const heavy = heavyHandler(alive)
  const { established, clock } = rig({ handlers: [heavy] })
  const [client, leaver] = [await established(), await established()]
  client.echo(10, heavyApi)
  await settle(clock)
  assert.equal(alive.size, 0)
  for (const reader of [client, leaver]) {
    reader.socket.pause()
    for (let i = 0; i < 20; i++) reader.echo(256 * KiB, heavyApi)
  }
  await settle(clock)
  assert.ok(alive.size > 2, `${alive.size} are held`)
  leaver.socket.terminate()
  client.socket.resume()
  await settle(clock)
  assert.equal(client.answers.length, 21)
  assert.equal(alive.size, 0)
})

test('a slow reader is not a stopped one: as long as it takes something it stays, and gets everything', async () => {
  const { established, clock, listener } = rig()
  const client = await established()
  client.socket.pause()
  const ids = Array.from({ length: 40 }, () => client.echo(256 * KiB))
  await settle(clock)
  const take = client.socket.onMessage
  client.socket.onMessage = message => {
    take(message)
    client.socket.pause()
  }
  while (client.answers.length < ids.length && client.closed === null) {
    clock.advance(20_000)
    client.socket.resume()
    await settle(clock)
  }
  assert.deepEqual(client.answeredIds, ids)
  assert.equal(listener.stats.closedBy['slow-reader'], 0)
  assert.ok(listener.stats.pauses.reader > 5)
})

test('a slow reader whose answers hold memory that others wait for has only so long to take them', async () => {
  const alive = new Set<object>()
  let isMemoryShort = false
  const { established, clock, listener } = rig({
    handlers: [heavyHandler(alive)],
    isMemoryShort: () => isMemoryShort,
  })
  const [heavy, light] = [await established(), await established()]
  for (const client of [heavy, light]) {
    client.socket.pause()
    for (let i = 0; i < 200; i++) client.echo(256 * KiB, client === heavy ? heavyApi : echoApi)
    const take = client.socket.onMessage
    client.socket.onMessage = message => {
      take(message)
      client.socket.pause()
    }
  }
  const takeOne = async (): Promise<void> => {
    for (const client of [heavy, light]) client.socket.resume()
    await settle(clock)
    clock.advance(defaultTransportLimits.slowReaderTimeoutMs / 2)
    await settle(clock)
  }
  for (let i = 0; i < 6; i++) await takeOne()
  assert.deepEqual([heavy.closed, light.closed], [null, null])
  assert.ok(alive.size > 2)
  isMemoryShort = true
  for (let i = 0; i < 6; i++) await takeOne()
  assert.equal(listener.stats.closedBy['slow-reader'], 1)
  assert.equal(alive.size, 0)
  assert.equal(light.closed, null)
})

test('answers of long polls wait for the reader too, and come in order', async () => {
  const { established, parked, clock, listener } = rig()
  const client = await established()
  const ids = Array.from({ length: 30 }, (_, i) => client.park(`${i}`))
  await settle(clock)
  client.socket.pause()
  const big = 'x'.repeat(512 * KiB)
  for (const request of parked) request.resolve(big)
  await settle(clock)
  // Three or so are in the socket, the rest is held unencoded and still counts as in flight.
  assert.ok(client.socket.isPaused)
  assert.ok(listener.stats.inFlightRequests >= 25, `${listener.stats.inFlightRequests}`)
  assert.ok(listener.stats.bytesOut < 3 * MiB)
  client.socket.resume()
  await settle(clock)
  assert.deepEqual(client.answeredIds, ids)
  assert.equal(listener.stats.inFlightRequests, 0)
})

test('one answer above the hard cap closes the connection', async () => {
  const { established, clock, listener } = rig({ limits: { bufferedBytesMax: 4 * MiB } })
  const client = await established()
  client.socket.pause()
  client.echo(5 * MiB)
  await settle(clock)
  assert.equal(listener.stats.closedBy['slow-reader'], 1)
})

test('an idle connection is closed, one with a long poll is not', async () => {
  const { established, clock, parked } = rig({ limits: { idleTimeoutMs: 60_000 } })
  const [idle, polling] = [await established(), await established()]
  polling.park('poll')
  await settle(clock)
  clock.advance(62_000)
  await settle(clock)
  assert.equal(idle.closed?.code, closeCode.normal)
  assert.equal(polling.closed, null)
  find(parked, 'poll').resolve()
  await settle(clock)
  assert.equal(polling.answers.length, 1)
})

test('when the connection is gone its waiting requests hear of it, and their late answers harm nobody', async () => {
  const { established, clock, parked, listener, fatal } = rig()
  const client = await established()
  for (const tag of ['a', 'b', 'c']) client.park(tag)
  await settle(clock)
  const { signal } = find(parked, 'a').context
  assert.equal(signal.aborted, false)
  client.socket.terminate()
  await settle(clock)
  assert.equal(signal.aborted, true)
  assert.equal(listener.stats.connections, 0)
  assert.ok(listener.stats.inFlightBytes > 0, 'the handlers still hold their requests')
  find(parked, 'a').resolve()
  find(parked, 'b').reject(new Error('late'))
  find(parked, 'c').reject(new AssertionError('late'))
  await settle(clock)
  assert.equal(listener.stats.inFlightBytes, 0)
  assert.equal(fatal.length, 1)
})

test('closing: what was started is answered, nothing new is started, the close says 1001', async () => {
  const { established, clock, parked, listener, started, raw } = rig()
  const [busy, idle] = [await established(), await established()]
  const id = busy.park('under way')
  await settle(clock)
  const closing = listener.close()
  busy.park('too late')
  await settle(clock)
  assert.equal(idle.closed?.code, closeCode.goingAway)
  assert.equal(busy.closed?.code, undefined)
  const newcomer = raw()
  await settle(clock)
  assert.equal(newcomer.closed?.code, closeCode.goingAway)
  find(parked, 'under way').resolve()
  await settle(clock)
  assert.deepEqual(busy.answeredIds, [id])
  assert.equal(busy.closed?.code, closeCode.goingAway)
  assert.deepEqual(started, ['under way'])
  await closing
  assert.equal(listener.connections.size, 0)
})

test('closing: who takes longer than the grace is cut off', async () => {
  const { established, clock, listener } = rig()
  const client = await established()
  client.park('for ever')
  await settle(clock)
  const closing = listener.close(2_000)
  clock.advance(1_999)
  await settle(clock)
  assert.equal(listener.connections.size, 1)
  clock.advance(1)
  await settle(clock)
  await closing
  assert.equal(client.closed?.code, 1006)
})

test('latencies and bytes are counted by API', async () => {
  const { established, clock, parked, listener } = rig()
  const client = await established()
  client.park('x')
  await settle(clock)
  clock.advance(30)
  find(parked, 'x').resolve()
  await settle(clock)
  const stats = listener.stats.apis.get(parkApi.key)!
  assert.equal(stats.requests, 1)
  assert.equal(stats.latencyMsSum, 30)
  // 25 < 30 <= 50: the eighth bucket.
  assert.equal(stats.latencyCounts[7], 1)
  assert.ok(stats.bytesIn > 0 && stats.bytesOut > 0)
})

function find(parked: readonly Parked[], tag: string): Parked {
  const found = parked.find(request => request.tag === tag)
  assert.ok(found, `${tag} was not started`)
  return found
}
