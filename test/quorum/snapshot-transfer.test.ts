/** A snapshot in pieces: both ends on their own, then between members whose network spoils it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutgoingSnapshot } from '../../src/quorum/outgoing-snapshot.ts'
import { type ChunkAnswer, noPeers, type SnapshotChunk } from '../../src/quorum/peer-port.ts'
import { soundQuorumRules } from '../../src/quorum/rules.ts'
import { SnapshotReceiver } from '../../src/quorum/snapshot-receiver.ts'
import { SnapshotSender } from '../../src/quorum/snapshot-sender.ts'
import type { Snapshot } from '../../src/raft/types.ts'
import { crc32c } from '../../src/util/crc32c.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { seedRange } from '../support/depth.ts'
import { bytes, type Node, turns } from './harness.ts'
import { idOf, Trio } from './trio.ts'

const configuration = { voters: [toNodeId(1)], oldVoters: [], learners: [] }
const head = (term = 3) => ({ from: toNodeId(1), term: toTerm(term), round: 7 })

function snapshotOf(index: number, sizeBytes: number): Snapshot {
  const data = Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31 + index) & 255)
  return { meta: { index: toLogIndex(index), term: toTerm(2), configuration }, data }
}

const checksumOf = ({ data }: Snapshot): number => crc32c(data, 0, data.length)

function outgoing(snapshot: Snapshot, { term = 3, offset = 0, checksum = checksumOf(snapshot) } = {}) {
  return new OutgoingSnapshot(head(term), snapshot, checksum, 10, offset)
}

const receiver = (sizeBytesMax = 1000): SnapshotReceiver => new SnapshotReceiver(sizeBytesMax, soundQuorumRules)

test('piece after piece arrives; the last one makes it whole', () => {
  const snapshot = snapshotOf(5, 35)
  const from = outgoing(snapshot)
  const to = receiver()
  for (const expected of [10, 20, 30]) {
    const answer = to.take(from.chunk())
    assert.deepEqual(answer, { nextOffset: expected, snapshot: null })
    assert.equal(from.answered(answer.nextOffset), 'more')
  }
  const last = to.take(from.chunk())
  assert.deepEqual(last, { nextOffset: 35, snapshot })
  assert.equal(from.answered(last.nextOffset), 'delivered')
  assert.equal(to.bytesHeld, 0)
})

test('an empty snapshot is one piece', () => {
  const snapshot = snapshotOf(5, 0)
  const from = outgoing(snapshot)
  const answer = receiver().take(from.chunk())
  assert.deepEqual(answer, { nextOffset: 0, snapshot })
  assert.equal(from.answered(0), 'delivered')
})

test('repeated and early pieces change nothing, and are answered with what is wanted', () => {
  const from = outgoing(snapshotOf(5, 35))
  const to = receiver()
  const first = from.chunk()
  to.take(first)
  assert.equal(to.take(first).nextOffset, 10)
  from.answered(20)
  assert.equal(to.take(from.chunk()).nextOffset, 10, 'there is a gap before it')
  assert.equal(from.answered(10), 'more')
  assert.equal(from.chunk().offset, 10)
})

test('a piece with a wrong checksum is asked for again, a whole with a wrong one begins anew', () => {
  const snapshot = snapshotOf(5, 15)
  const from = outgoing(snapshot)
  const to = receiver()
  const chunk = from.chunk()
  const spoiled = { ...chunk, data: chunk.data.map(byte => byte ^ 1) }
  assert.deepEqual(to.take(spoiled), { nextOffset: 0, snapshot: null })
  assert.equal(from.answered(0), 'more')
  assert.equal(to.take(from.chunk()).nextOffset, 10)
  const liar = outgoing(snapshot, { checksum: checksumOf(snapshot) ^ 1 })
  const other = receiver()
  assert.equal(liar.answered(other.take(liar.chunk()).nextOffset), 'more')
  assert.deepEqual(other.take(liar.chunk()), { nextOffset: 0, snapshot: null })
  assert.equal(other.bytesHeld, 0)
})

test('a receiver that gets nowhere is given up', () => {
  const from = outgoing(snapshotOf(5, 35))
  const answers = Array.from({ length: 6 }, () => from.answered(0))
  assert.equal(answers[0], 'more')
  assert.equal(answers.at(-1), 'failed')
  for (const nonsense of [-1, 36, 1.5, Number.NaN]) {
    assert.equal(outgoing(snapshotOf(5, 35)).answered(nonsense), 'failed')
  }
})

test('the next leader goes on where the last one ended, if its snapshot is the same', () => {
  const snapshot = snapshotOf(5, 35)
  const to = receiver()
  const old = outgoing(snapshot)
  old.answered(to.take(old.chunk()).nextOffset)
  to.take(old.chunk())
  const next = outgoing(snapshot, { term: 4 })
  assert.equal(to.take(next.chunk()).nextOffset, 20)
  const other = outgoing({ ...snapshot, data: snapshot.data.map(byte => byte ^ 255) }, { term: 5 })
  assert.equal(to.take(other.chunk()).nextOffset, 10, 'another snapshot begins anew')
})

test('a newer snapshot replaces an older one, never the other way', () => {
  const to = receiver()
  to.take(outgoing(snapshotOf(5, 35)).chunk())
  assert.equal(to.take(outgoing(snapshotOf(9, 50)).chunk()).nextOffset, 10)
  assert.equal(to.bytesHeld, 50, 'one at a time')
  assert.equal(to.take(outgoing(snapshotOf(5, 35)).chunk()).nextOffset, -1)
  assert.equal(
    to.take(outgoing(snapshotOf(6, 35), { term: 4 }).chunk()).nextOffset,
    10,
    'but a newer leader knows best',
  )
  assert.equal(to.take(outgoing(snapshotOf(9, 50)).chunk()).nextOffset, -1)
})

test('memory is bounded, and given back when the log got there another way', () => {
  const to = receiver(30)
  assert.equal(to.take(outgoing(snapshotOf(5, 31)).chunk()).nextOffset, -1)
  assert.equal(to.bytesHeld, 0)
  to.take(outgoing(snapshotOf(5, 30)).chunk())
  assert.equal(to.bytesHeld, 30)
  to.forgetUpTo(toLogIndex(4))
  assert.equal(to.bytesHeld, 30)
  to.forgetUpTo(toLogIndex(5))
  assert.equal(to.bytesHeld, 0)
})

test('pieces that do not fit their whole are refused', () => {
  const chunk = outgoing(snapshotOf(5, 35)).chunk()
  for (const bad of [{ offset: -1 }, { offset: 30 }, { sizeBytes: 5 }, { sizeBytes: -1 }]) {
    assert.equal(receiver().take({ ...chunk, ...bad }).nextOffset, -1)
  }
})

test('whatever is lost, repeated, turned or mixed up, what arrives is what was sent', () => {
  const { from: first, to: last } = seedRange(300)
  for (let seed = first; seed <= last; seed++) {
    const random = seededRandom(seed)
    const snapshot = snapshotOf(5, random.nextInt(80))
    const to = receiver()
    let from = outgoing(snapshot)
    let received: Snapshot | null = null
    const earlier: SnapshotChunk[] = []
    for (let turn = 0; received === null && turn < 1000; turn++) {
      earlier.push(from.chunk())
      const chunk = random.nextInt(4) === 0 ? earlier[random.nextInt(earlier.length)]! : from.chunk()
      const isSpoiled = random.nextInt(4) === 0 && chunk.data.length > 0
      const data = isSpoiled ? chunk.data.map((byte, i) => (i === 0 ? byte ^ 4 : byte)) : chunk.data
      const answer = to.take({ ...chunk, data })
      received = answer.snapshot
      const isLost = random.nextInt(5) === 0
      if (!isLost && from.answered(answer.nextOffset) === 'failed') from = outgoing(snapshot, { offset: from.offset })
    }
    assert.deepEqual(received, snapshot, `seed ${seed}`)
  }
})

/** A sender whose pieces the test answers. */
function sending(newest: Snapshot) {
  const sent: SnapshotChunk[] = []
  const waiting: Array<{ resolve: (answer: ChunkAnswer) => void; reject: (error: Error) => void }> = []
  const ends: Array<[number, boolean]> = []
  const sendChunk = (_to: number, chunk: SnapshotChunk): Promise<ChunkAnswer> => {
    sent.push(chunk)
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  const sender = new SnapshotSender({ ...noPeers, sendChunk }, 10, newest, (to, isDelivered) => {
    ends.push([to, isDelivered])
  })
  const answer = async (nextOffset: number): Promise<void> => {
    waiting.shift()!.resolve({ nextOffset })
    await turns()
  }
  const fail = async (): Promise<void> => {
    waiting.shift()!.reject(new Error('no connection'))
    await turns()
  }
  return { sender, sent, ends, waiting, answer, fail }
}

test('one piece is under way to each follower, and each transfer ends once', async () => {
  const snapshot = snapshotOf(5, 25)
  const { sender, sent, ends, answer } = sending(snapshot)
  sender.send(toNodeId(2), head(), snapshot)
  sender.send(toNodeId(3), head(), snapshot)
  assert.equal(sent.length, 2)
  assert.equal(sender.neededIndex, 5)
  await answer(25)
  assert.deepEqual(ends, [[2, true]])
  await answer(10)
  await answer(20)
  await answer(-1)
  assert.deepEqual(ends, [
    [2, true],
    [3, false],
  ])
  assert.equal(sender.neededIndex, null)
})

test('after a failure the next transfer goes on where it was', async () => {
  const snapshot = snapshotOf(5, 25)
  const { sender, sent, ends, answer, fail } = sending(snapshot)
  sender.send(toNodeId(2), head(), snapshot)
  await answer(10)
  await fail()
  assert.deepEqual(ends, [[2, false]])
  sender.send(toNodeId(2), head(), snapshot)
  assert.equal(sent.at(-1)!.offset, 10)
})

test('the end of a leadership cancels: late answers are nobody any more', async () => {
  const snapshot = snapshotOf(5, 25)
  const { sender, sent, ends, answer } = sending(snapshot)
  sender.send(toNodeId(2), head(), snapshot)
  sender.cancel()
  await answer(10)
  assert.equal(sent.length, 1)
  assert.deepEqual(ends, [])
  sender.send(toNodeId(2), head(4), snapshot)
  assert.equal(sent.at(-1)!.term, 4)
  await answer(25)
  assert.deepEqual(ends, [[2, true]])
})

test('a snapshot under way may be overtaken once; then it is replaced', async () => {
  const first = snapshotOf(5, 25)
  const { sender, ends, answer, waiting } = sending(first)
  sender.send(toNodeId(2), head(), first)
  sender.saved(snapshotOf(10, 25))
  await answer(10)
  assert.equal(waiting.length, 1)
  assert.equal(sender.neededIndex, 5, 'the log after it is still wanted')
  sender.saved(snapshotOf(15, 25))
  assert.deepEqual(ends, [[2, false]])
  assert.equal(sender.neededIndex, null)
})

/** A trio whose third member is so far behind that it needs a snapshot of many pieces. */
async function farBehind(): Promise<{ trio: Trio; leader: Node; late: Node }> {
  const trio = new Trio()
  await trio.openAll({ snapshots: { entriesMax: 20, retainedEntries: 2 }, chunkBytes: 16 })
  const leader = await trio.elect()
  const late = [...trio.nodes.values()].find(node => node !== leader)!
  trio.cut.add(idOf(late))
  for (let i = 0; i < 60; i++) await trio.finish(leader.quorum.propose([bytes(`value ${i}`)], 5000))
  trio.network.chunks.length = 0
  return { trio, leader, late }
}

test('pieces that are lost or spoiled on the way delay a snapshot, and nothing else', async () => {
  const { trio, leader, late } = await farBehind()
  const random = seededRandom(1)
  trio.network.spoil = chunk => {
    const fate = random.nextInt(20)
    if (fate === 0) return null
    return fate < 3 ? { ...chunk, data: chunk.data.map(byte => byte ^ 8) } : chunk
  }
  trio.cut.clear()
  await trio.until(() => late.machine.texts.length === 60)
  assert.deepEqual(late.machine.texts, leader.machine.texts)
  assert.equal(late.machine.restores, 1)
  const offsets = new Set(trio.network.chunks.map(chunk => chunk.offset))
  assert.ok(offsets.size > 20, 'it was in many pieces')
  await trio.close()
})

test('when the leader changes in the middle, the next one brings it to its end', async () => {
  const { trio, leader, late } = await farBehind()
  trio.cut.clear()
  await trio.until(() => trio.network.chunks.length > 10)
  trio.cut.add(idOf(leader))
  const next = await trio.elect()
  await trio.until(() => late.machine.texts.length === 60)
  assert.deepEqual(late.machine.texts, next.machine.texts)
  trio.cut.clear()
  await trio.close()
})

test('a receiver that restarts in the middle begins anew, and is caught up', async () => {
  const { trio, leader, late } = await farBehind()
  trio.cut.clear()
  await trio.until(() => trio.network.chunks.length > 10)
  const id = idOf(late)
  await trio.crash(id)
  const again = await trio.open(id, { snapshots: { entriesMax: 20, retainedEntries: 2 } })
  await trio.until(() => again.machine.texts.length === 60)
  assert.deepEqual(again.machine.texts, leader.machine.texts)
  await trio.close()
})

test('a snapshot larger than the receiver accepts is never held', async () => {
  const { trio, leader, late } = await farBehind()
  const id = idOf(late)
  await trio.crash(id)
  trio.cut.clear()
  const small = await trio.open(id, { snapshotBytesMax: 50 })
  await trio.pass(2000)
  assert.equal(small.machine.restores, 0)
  assert.ok(trio.network.chunks.length > 1, 'the leader goes on asking')
  assert.equal(leader.leadership.at(-1), leader.quorum.status().term, 'and leads')
  await trio.close()
})

test('proposals go on while snapshots are on their way, and the follower catches up with a log that grows', async () => {
  const { trio, leader, late } = await farBehind()
  trio.cut.clear()
  for (let i = 0; i < 100; i++) await trio.finish(leader.quorum.propose([bytes(`more ${i}`)], 5000))
  await trio.until(() => late.machine.texts.length === 160)
  assert.deepEqual(late.machine.texts, leader.machine.texts)
  await trio.close()
})
