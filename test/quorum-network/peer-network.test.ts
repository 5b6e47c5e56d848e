import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { introduce, raftMessages, snapshotChunk } from '../../src/protocol/apis/index.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { encodeMessage } from '../../src/quorum/network/message-codec.ts'
import { chunkBody } from '../../src/quorum/network/snapshot-codec.ts'
import type { SnapshotChunk } from '../../src/quorum/peer-port.ts'
import type { AppendEntries, Message } from '../../src/raft/messages.ts'
import { openConnection } from '../../src/transport/client-connection.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { type Parked, parkApi, testHandlers } from '../transport/support.ts'
import { Rig, urlOf } from './rig.ts'

const two = toNodeId(2)

function heartbeat(from: number, round: number): Message {
  return {
    kind: 'heartbeat',
    from: toNodeId(from),
    term: toTerm(1),
    commitIndex: toLogIndex(0),
    commitTerm: toTerm(0),
    round,
  }
}

function append(from: number, round: number, bytes: number): AppendEntries {
  const term = toTerm(1)
  const entry = { index: toLogIndex(1), term, kind: 'data', data: new Uint8Array(bytes) } as const
  const place = { prevIndex: toLogIndex(0), prevTerm: toTerm(0), commitIndex: toLogIndex(0) }
  return { kind: 'appendEntries', from: toNodeId(from), term, ...place, entries: [entry], round }
}

const chunk: SnapshotChunk = {
  from: toNodeId(1),
  term: toTerm(3),
  round: 4,
  meta: {
    index: toLogIndex(9),
    term: toTerm(2),
    configuration: {
      voters: [toNodeId(1), two],
      oldVoters: [],
      learners: [],
      clusterId: 'c',
      members: [{ id: two, diskId: 'disk-2', url: urlOf(2) }],
    },
  },
  sizeBytes: 10,
  checksum: 0xdead_beef,
  offset: 4,
  data: Uint8Array.of(1, 2, 3),
  dataChecksum: 7,
}

function setUp(t: TestContext): Rig {
  const rig = new Rig()
  t.after(() => rig.close())
  return rig
}

async function pair(rig: Rig) {
  const one = rig.member(1)
  const other = rig.member(2)
  one.reach(1, 2)
  other.reach(1, 2)
  await rig.until(() => one.isReaching(2) && other.isReaching(1), 'both reach each other')
  return { one, other }
}

const rounds = (messages: readonly { message: Message }[]): unknown[] =>
  messages.map(({ message }) => 'round' in message && message.round)

describe('carrying', () => {
  test('each learns who the other is, and messages arrive in order under the disk of their sender', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    // Once over the own connection, once over the other's.
    assert.deepEqual(one.introductions, [other.self, other.self])
    assert.deepEqual(other.introductions, [one.self, one.self])
    for (let round = 1; round <= 3; round++) one.network.send(two, heartbeat(1, round))
    await rig.pass(5)
    assert.deepEqual(rounds(other.messages), [1, 2, 3])
    assert.ok(other.messages.every(({ fromDisk }) => fromDisk === 'disk-1'))
    assert.deepEqual(one.messages, [])
  })

  test('what is said in one turn leaves in one frame, and no frame is larger than it need be', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    for (let round = 0; round < 100; round++) one.network.send(two, heartbeat(1, round))
    await rig.pass(5)
    assert.deepEqual(
      { ...one.network.stats, messagesReceived: 0 },
      {
        messagesSent: 100,
        messagesReceived: 0,
        messagesDropped: 0,
        framesSent: 1,
      },
    )
    for (let round = 0; round < 4; round++) one.network.send(two, append(1, round, 400 * KiB))
    await rig.pass(5)
    assert.equal(one.network.stats.framesSent, 1 + 2)
    assert.equal(other.messages.length, 104)
  })

  test('what the next message of the turn says too does not leave', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    const full = append(1, 2, 10)
    const news: Message = { ...full, entries: [], round: 1 }
    const reply = (matchIndex: number, round: number): Message => {
      return {
        kind: 'appendEntriesReply',
        from: toNodeId(1),
        term: toTerm(1),
        matchIndex: toLogIndex(matchIndex),
        round,
      }
    }
    const elsewhere: Message = { ...news, prevIndex: toLogIndex(1), prevTerm: toTerm(1) }
    const said: readonly (readonly Message[])[] = [
      // The commit index goes with the entries, and one acknowledgement with the next.
      [news, full],
      [news, news, full],
      [reply(3, 1), reply(4, 1), reply(4, 2)],
      // The entries of one are not in the next; nor is what another place, an older round or another term says.
      [full, news],
      [elsewhere, full],
      [{ ...news, round: 3 }, full],
      [{ ...news, commitIndex: toLogIndex(1) }, full],
      [{ ...news, term: toTerm(2) }, full],
      [reply(4, 1), reply(3, 1)],
      [news, reply(3, 1)],
      // In the order in which they were said, with something else between them, all of them count.
      [news, heartbeat(1, 1), full],
    ]
    const arrived: (readonly Message[])[] = []
    for (const messages of said) {
      other.messages.length = 0
      for (const message of messages) one.network.send(two, message)
      await rig.pass(5)
      arrived.push(other.messages.map(({ message }) => message))
    }
    assert.deepEqual(
      arrived.map(messages => messages.length),
      [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3],
    )
    for (const [i, messages] of arrived.entries())
      assert.deepEqual(encodeMessage(messages.at(-1)!), encodeMessage(said[i]!.at(-1)!))
    assert.equal(one.network.stats.framesSent, said.length)
    assert.equal(one.network.stats.messagesSent, arrived.flat().length)
    assert.equal(one.network.stats.messagesDropped, 0)
  })

  test('a piece of a snapshot is answered', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    const answer = one.network.sendChunk(two, chunk)
    await rig.pass(5)
    assert.deepEqual(await answer, { nextOffset: 7 })
    const [received] = other.chunks
    assert.deepEqual({ ...received!, data: [...received!.data] }, { ...chunk, data: [1, 2, 3] })
  })

  test('others ask over the same connection, and hear at once when there is none', async t => {
    const rig = setUp(t)
    const parked: Parked[] = []
    const one = rig.member(1)
    rig.member(2, {}, { handlers: testHandlers(parked) })
    await assert.rejects(one.network.request(two, parkApi, { tag: 'a' }), { code: 'NETWORK_EXCEPTION' })
    one.reach(2)
    await assert.rejects(one.network.request(two, parkApi, { tag: 'a' }), { code: 'NETWORK_EXCEPTION' })
    await assert.rejects(one.network.sendChunk(two, chunk), { code: 'NETWORK_EXCEPTION' })
    await rig.until(() => one.isReaching(2), 'reached')
    const asked = one.network.request(two, parkApi, { tag: 'a' }, { timeoutMs: 1_000 })
    await rig.pass(5)
    parked[0]!.resolve('b')
    await rig.pass(5)
    assert.deepEqual(await asked, { tag: 'b' })
    const late = assert.rejects(one.network.request(two, parkApi, { tag: 'a' }, { timeoutMs: 20 }), {
      code: 'REQUEST_TIMED_OUT',
    })
    await rig.pass(50)
    await late
    assert.equal(rig.attempts.get(2), 1)
  })
})

describe('losing and finding', () => {
  test('one that comes later is reached, at growing and bounded intervals until then', async t => {
    const rig = setUp(t)
    const one = rig.member(1, { timing: { retryMsMin: 10, retryMsMax: 200 } })
    one.reach(2)
    await rig.pass(3_000)
    assert.deepEqual(
      one.logged.map(({ level }) => level),
      ['info'],
    )
    assert.deepEqual(one.network.unreached(), [{ id: 2, url: urlOf(2), reason: `Nothing listens at ${urlOf(2)}.` }])
    const startedMs = rig.clock.nowMs()
    rig.member(2)
    await rig.until(() => one.isReaching(2), 'reached')
    assert.ok(rig.clock.nowMs() - startedMs <= 210)
    assert.deepEqual(
      one.logged.map(({ message }) => message),
      ['a peer is not reached', 'reached a peer'],
    )
  })

  test('a cut connection is made again; who had two is gone only with the second', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    const heard: number[] = []
    const stop = one.network.onGone(id => heard.push(id))
    const reached: number[] = []
    const stopReached = one.network.onReached(id => reached.push(id))
    rig.stopListening(2)
    rig.cut(2)
    await rig.pass(50)
    assert.ok(!one.isReaching(2))
    assert.deepEqual([one.gone, other.gone], [[], []])
    rig.stopListening(1)
    rig.cut(1)
    await rig.pass(5)
    assert.deepEqual([one.gone, other.gone], [[2], [1]])
    assert.deepEqual(heard, [2])
    stop()
    rig.listen(1, one)
    rig.listen(2, other)
    assert.deepEqual(reached, [])
    await rig.until(() => one.isReaching(2) && other.isReaching(1), 'reached again')
    assert.deepEqual(reached, [2])
    stopReached()
    rig.cut(2)
    await rig.pass(2)
    await rig.until(() => one.isReaching(2), 'reached a third time')
    assert.deepEqual(reached, [2])
    one.network.send(two, heartbeat(1, 8))
    await rig.pass(5)
    assert.deepEqual(rounds(other.messages), [8])
  })

  test('a connection on which nothing comes back is noticed and replaced', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    rig.silence(2)
    await rig.until(() => rig.attempts.get(2) === 2 && one.isReaching(2), 'a second connection')
    one.network.send(two, heartbeat(1, 5))
    await rig.pass(5)
    assert.deepEqual(rounds(other.messages), [5])
    assert.deepEqual(one.warnings(), [])
  })

  test('a connection whose owner has vanished without a word is given up by the listener', async t => {
    const rig = setUp(t)
    const other = rig.member(2)
    const connection = await rawConnection(rig)
    connection.request(introduce, { to: 2, ...stranger }).catch(() => {})
    await rig.until(() => other.introductions.length === 1, 'introduced')
    await rig.until(() => other.gone.length === 1, 'gone')
    assert.deepEqual(other.gone, [stranger.nodeId])
  })

  test('another address replaces the first one, none at all closes it', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    rig.listen(5, other)
    one.network.reach(new Map([[two, urlOf(5)]]))
    await rig.until(() => one.isReaching(2), 'reached at the new address')
    one.network.send(two, heartbeat(1, 1))
    await rig.pass(5)
    assert.equal(rig.attempts.get(5), 1)
    assert.equal(other.messages.length, 1)
    one.reach()
    other.reach()
    await rig.pass(20)
    assert.equal(one.gone.at(-1), 2)
    one.network.send(two, heartbeat(1, 2))
    await rig.pass(2_000)
    assert.equal(other.messages.length, 1)
    assert.equal(one.listener.connections.size + other.listener.connections.size, 0)
  })

  test('what is said of oneself changes on connections that are open', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    one.self = { ...one.self, clusterId: 'founded' }
    one.network.introduceAgain()
    await rig.pass(5)
    assert.deepEqual(other.introductions.at(-1), one.self)
    assert.equal(rig.attempts.get(2), 1)
  })

  test('what changes while a connection is made is said before it counts', async t => {
    const rig = setUp(t)
    const one = rig.member(1)
    const other = rig.member(2)
    one.reach(2)
    await rig.until(() => other.introductions.length === 1, 'the first introduction')
    one.self = { ...one.self, clusterId: 'founded' }
    await rig.until(() => one.isReaching(2), 'reached')
    assert.deepEqual(
      other.introductions.map(({ clusterId }) => clusterId),
      [null, 'founded'],
    )
  })

  test('closed, it leaves no timer and tells nobody', async () => {
    const rig = new Rig()
    const { one, other } = await pair(rig)
    await rig.close()
    assert.deepEqual([one.gone, other.gone], [[], []])
    assert.equal(rig.clock.nextEventMs(), null)
  })
})

describe('refusing', () => {
  test('an address that leads to another node', async t => {
    const rig = setUp(t)
    const one = rig.member(1)
    const three = rig.member(3, {}, { at: 2 })
    one.reach(2)
    await rig.pass(5_000)
    assert.ok(rig.attempts.get(2)! > 3)
    assert.deepEqual(one.warnings(), ['This is node 3, not node 2.'])
    assert.deepEqual(three.warnings(), one.warnings(), 'whoever refuses says it too')
    assert.deepEqual([one.introductions, three.introductions], [[], []])
  })

  test('an address that leads back to itself', async t => {
    const rig = setUp(t)
    const one = rig.member(1, {}, { at: 2 })
    one.reach(2)
    await rig.pass(3_000)
    const reason = 'Node 1 is this node: another has the same node.id, or an address leads back to itself.'
    // At both ends of its connection.
    assert.deepEqual(one.warnings(), [reason, reason])
    assert.deepEqual(one.introductions, [])
  })

  test('a member of another cluster hears why, and the log says it once for each reason', async t => {
    const rig = setUp(t)
    const one = rig.member(1)
    const other = rig.member(2)
    other.refuse = () => 'This is another cluster.'
    one.reach(2)
    other.reach(1)
    await rig.pass(8_000)
    assert.deepEqual(one.warnings(), ['This is another cluster.'])
    other.refuse = () => 'Go away.'
    await rig.pass(3_000)
    assert.deepEqual(one.warnings(), ['This is another cluster.', 'Go away.'])
    // It refuses what it hears on its own connection, and on the other's.
    const both = ['This is another cluster.', 'This is another cluster.', 'Go away.', 'Go away.']
    assert.deepEqual(other.warnings(), both)
    assert.ok(rig.attempts.get(2)! <= 20, `${rig.attempts.get(2)} attempts in eleven seconds`)
    other.refuse = () => null
    await rig.until(() => one.isReaching(2) && other.isReaching(1), 'reached')
  })

  test('one that was welcome before: its connection ends and its messages no longer count', async t => {
    const rig = setUp(t)
    const { one, other } = await pair(rig)
    other.reach()
    other.refuse = peer => (peer.clusterId === 'a' ? 'This is cluster b.' : null)
    one.self = { ...one.self, clusterId: 'a' }
    one.network.introduceAgain()
    one.network.send(two, heartbeat(1, 1))
    await rig.pass(5)
    assert.ok(!one.isReaching(2))
    assert.deepEqual(one.warnings(), ['This is cluster b.'])
    assert.deepEqual(other.gone, [1])
    assert.deepEqual(other.messages, [])
  })
})

const stranger = { nodeId: 7, diskId: 'disk-7', clusterId: null, url: urlOf(7) }

function rawConnection(rig: Rig) {
  const opening = openConnection(urlOf(2), {
    socketFactory: rig.network.socketFactory,
    clock: rig.clock,
    clientId: 'test',
    software: 'test',
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    inFlightBytesMax: MiB,
  })
  return rig.pass(10).then(() => opening)
}

describe('strangers', () => {
  test('nothing is listened to before an introduction, in another name, or that cannot be read', async t => {
    const rig = setUp(t)
    const other = rig.member(2)
    const connection = await rawConnection(rig)
    const say = (...messages: Uint8Array[]): void => connection.requestNoResponse(raftMessages, { messages })
    const refused = assert.rejects(connection.request(snapshotChunk, chunkBody(chunk)), { code: 'INVALID_REQUEST' })
    say(encodeMessage(heartbeat(7, 1)))
    await rig.pass(10)
    await refused
    const introduced = connection.request(introduce, { to: 2, ...stranger })
    await rig.pass(10)
    assert.deepEqual(await introduced, other.self)
    say(encodeMessage(heartbeat(1, 2)))
    say(pack([99, []]))
    say(encodeMessage(heartbeat(7, 3)))
    const inAnothersName = assert.rejects(connection.request(snapshotChunk, chunkBody(chunk)), {
      code: 'INVALID_REQUEST',
    })
    const asAnother = assert.rejects(connection.request(introduce, { to: 2, ...stranger, nodeId: 8 }), {
      code: 'INVALID_REQUEST',
    })
    await rig.pass(10)
    await Promise.all([inAnothersName, asAnother])
    assert.deepEqual(rounds(other.messages), [3])
    assert.deepEqual(other.chunks, [])
    void connection[Symbol.asyncDispose]()
  })
})

describe('a peer that does not read', () => {
  test('costs so many bytes and no more; what does not fit is lost', async t => {
    const rig = setUp(t)
    const one = rig.member(1, { sendQueueBytesMax: MiB, timing: { silenceMs: 60_000 } })
    const other = rig.member(2)
    one.reach(2)
    await rig.until(() => one.isReaching(2), 'reached')
    const [socket] = rig.accepted.get(2)!
    socket!.pause()
    for (let round = 0; round < 100; round++) {
      one.network.send(two, append(1, round, 100 * KiB))
      if (round % 3 === 0) await rig.pass(2)
    }
    assert.ok(one.network.stats.messagesDropped > 80)
    await assert.rejects(
      async () => {
        // The queue is full, and forwarded requests are not to lengthen it without end.
        for (let i = 0; i < 20; i++) {
          one.network.send(two, append(1, 0, 100 * KiB))
          const asked = one.network.sendChunk(two, { ...chunk, data: new Uint8Array(100 * KiB) })
          asked.catch(() => {})
          await Promise.race([asked, rig.pass(1)])
        }
      },
      { code: 'BROKER_OVERLOADED' },
    )
    socket!.resume()
    await rig.pass(100)
    const kept = rounds(other.messages) as number[]
    assert.ok(kept.length >= 9 && kept.length < 20, `${kept.length} messages kept`)
    assert.deepEqual(
      kept,
      kept.toSorted((a, b) => a - b),
    )
    one.network.send(two, heartbeat(1, 1_000))
    await rig.pass(5)
    assert.equal(rounds(other.messages).at(-1), 1_000)
  })

  test('a message larger than the queue goes when nothing else waits', async t => {
    const rig = setUp(t)
    const one = rig.member(1, { sendQueueBytesMax: MiB })
    const other = rig.member(2)
    one.reach(2)
    await rig.until(() => one.isReaching(2), 'reached')
    one.network.send(two, append(1, 1, 3 * MiB))
    one.network.send(two, append(1, 2, 10))
    await rig.pass(10)
    assert.deepEqual(rounds(other.messages), [1])
    one.network.send(two, append(1, 3, 10))
    await rig.pass(10)
    assert.deepEqual(rounds(other.messages), [1, 3])
  })

  test('is given up when it stays like that', async t => {
    const rig = setUp(t)
    const one = rig.member(1)
    rig.member(2)
    one.reach(2)
    await rig.until(() => one.isReaching(2), 'reached')
    rig.accepted.get(2)![0]!.pause()
    one.network.send(two, append(1, 1, 5 * MiB))
    await rig.until(() => rig.attempts.get(2) === 2 && one.isReaching(2), 'a second connection')
  })
})
