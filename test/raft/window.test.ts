/** The window of appends in virtual time: a leader, a follower, and between them a path that takes its time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import { defaultRaftOptions } from '../../src/raft/options.ts'
import { createRaft, type Raft } from '../../src/raft/state.ts'
import { step } from '../../src/raft/step.ts'
import { Window } from '../../src/raft/window.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { bootstrapEntry } from './entries.ts'

interface Path {
  /** One way. */
  readonly linkTicks: number
  /** What the follower's disk takes for each append, one after the other, whatever is in it. */
  readonly diskTicksPerAppend: number
  /** What the link carries in a tick. */
  readonly linkBytesPerTick: number
}

interface Load {
  readonly entriesPerTick: number
  readonly entryBytes: number
  readonly ticks: number
}

interface Outcome {
  readonly committed: number
  /** Half of the entries were committed within so many ticks of being proposed. */
  readonly latencyTicks: number
  /** Smallest and last number of appends that the leader would have had under way. */
  readonly limitLeast: number
  readonly limitLast: number
}

const [leaderId, followerId] = [toNodeId(1), toNodeId(2)]

function createPair(inFlightCountMax: number, appendBytesMax: number): readonly [leader: Raft, follower: Raft] {
  const entries = [bootstrapEntry({ voters: [leaderId, followerId], oldVoters: [], learners: [] })]
  const options = { ...defaultRaftOptions, electionTimeoutTicks: 10_000, inFlightCountMax, appendBytesMax }
  const create = (id: typeof leaderId): Raft =>
    createRaft(
      id,
      { hardState: { term: toTerm(1), votedFor: null }, snapshot: null, entries },
      options,
      seededRandom(1),
    )
  return [create(leaderId), create(followerId)]
}

/** Own writes take no time here. Returns the messages. */
function run(raft: Raft, input: Input): readonly Message[] {
  const effects: Effect[] = [...step(raft, input)]
  for (let i = 0; i < effects.length; i++) {
    const effect = effects[i]!
    if (effect.kind === 'persist') effects.push(...step(raft, { kind: 'persisted', write: effect.write }))
  }
  return effects.flatMap(effect => (effect.kind === 'send' ? [effect.message] : []))
}

function elect(leader: Raft, follower: Raft): void {
  let messages = run(leader, { kind: 'campaign' })
  for (let hops = 0; messages.length > 0 && hops < 20; hops++) {
    const receiver = hops % 2 === 0 ? follower : leader
    messages = messages.flatMap(message => run(receiver, { kind: 'message', message }))
  }
  assert.equal(leader.role.kind, 'leader')
}

function simulate(inFlightCountMax: number, path: Path, load: Load, appendBytesMax = 1_000_000): Outcome {
  const [leader, follower] = createPair(inFlightCountMax, appendBytesMax)
  elect(leader, follower)
  const firstIndex = leader.log.lastIndex + 1
  /** In order of arrival, which is the order of departure: the path is a queue. */
  const underWay: { message: Message; atTick: number }[] = []
  const answers: { message: Message; atTick: number }[] = []
  let [linkFreeTick, diskFreeTick, limitLeast] = [0, 0, inFlightCountMax]
  const latencies: number[] = []
  const take = (messages: readonly Message[], tick: number): void => {
    for (const message of messages) {
      const entries = message.kind === 'appendEntries' ? message.entries : []
      linkFreeTick = Math.max(linkFreeTick, tick) + (entries.length * load.entryBytes) / path.linkBytesPerTick
      const diskTicks = entries.length === 0 ? 0 : path.diskTicksPerAppend
      diskFreeTick = Math.max(diskFreeTick, linkFreeTick + path.linkTicks) + diskTicks
      underWay.push({ message, atTick: diskFreeTick })
    }
  }
  const noteCommitted = (tick: number): void => {
    const proposedTick = (index: number): number => Math.floor((index - firstIndex) / load.entriesPerTick)
    while (firstIndex + latencies.length <= leader.log.commitIndex) {
      latencies.push(tick - proposedTick(firstIndex + latencies.length))
    }
  }
  const data = new Uint8Array(load.entryBytes)
  const limit = (): number => (leader.role.kind === 'leader' ? leader.role.progress.get(followerId)!.window.limit : 0)
  for (let tick = 0; tick < load.ticks; tick++) {
    while (underWay[0] !== undefined && underWay[0].atTick <= tick) {
      for (const message of run(follower, { kind: 'message', message: underWay.shift()!.message })) {
        answers.push({ message, atTick: tick + path.linkTicks })
      }
    }
    while (answers[0] !== undefined && answers[0].atTick <= tick) {
      take(run(leader, { kind: 'message', message: answers.shift()!.message }), tick)
      noteCommitted(tick)
      limitLeast = Math.min(limitLeast, limit())
    }
    run(leader, { kind: 'proposal', entries: Array.from({ length: load.entriesPerTick }, () => data) })
    take(run(leader, { kind: 'flush' }), tick)
    take(run(leader, { kind: 'tick' }), tick)
  }
  const sorted = latencies.sort((a, b) => a - b)
  return { committed: sorted.length, latencyTicks: sorted[sorted.length >>> 1]!, limitLeast, limitLast: limit() }
}

const fast: Path = { linkTicks: 0, diskTicksPerAppend: 0, linkBytesPerTick: Number.POSITIVE_INFINITY }
const slowPaths: Readonly<Record<string, Path>> = {
  'slow disk': { ...fast, diskTicksPerAppend: 3 },
  'slow disk far away': { ...fast, linkTicks: 5, diskTicksPerAppend: 4 },
  'slow disk behind a narrow link': { ...fast, diskTicksPerAppend: 2, linkBytesPerTick: 150 },
}
for (const [name, path] of Object.entries(slowPaths)) {
  test(`a deeper pipe does not raise commit latency: ${name}`, () => {
    const load = { entriesPerTick: 1, entryBytes: 100, ticks: 4000 }
    const [single, deep] = [simulate(1, path, load), simulate(64, path, load)]
    // A queue shows only when it is longer than what ticks can tell apart, and the append that shows it is in it.
    const most = single.latencyTicks + 2 + path.diskTicksPerAppend
    assert.ok(deep.latencyTicks <= most, `${deep.latencyTicks} against ${single.latencyTicks}`)
    assert.ok(deep.committed >= single.committed * 0.98, `${deep.committed} against ${single.committed}`)
    assert.ok(deep.limitLeast >= 1 && deep.limitLeast < 8, 'the window became small')
  })
}

test('a long way to a quick follower is filled: the window stays as deep as it may be', () => {
  const load = { entriesPerTick: 4, entryBytes: 100, ticks: 2000 }
  // Four entries an append.
  const [single, deep] = [16, 64].map((_, at) => simulate(at === 0 ? 1 : 64, { ...fast, linkTicks: 10 }, load, 500))
  assert.ok(deep!.committed >= single!.committed * 8, `${deep!.committed} against ${single!.committed}`)
  assert.equal(deep!.limitLast, 64)
})

test('the window shrinks by half a round trip, grows by one, and stays between one and its maximum', () => {
  const window = new Window(8)
  let index = 0
  /** Sends what fits, and has it answered after `ticks`. */
  const roundTrip = (tick: number, ticks: number): number => {
    while (window.hasRoom) window.sent(toLogIndex(++index), tick)
    window.answered(toLogIndex(index), tick + ticks)
    return window.limit
  }
  assert.equal(roundTrip(0, 4), 8)
  assert.deepEqual(
    [10, 30, 50, 70].map(tick => roundTrip(tick, 7)),
    [4, 2, 1, 1].map((limit, at) => (at < 3 ? limit : 2)),
  )
  assert.deepEqual(
    [90, 100, 110].map(tick => roundTrip(tick, 4)),
    [3, 4, 5],
  )
  for (let tick = 200; tick < 400; tick += 10) assert.ok(roundTrip(tick, 4) <= 8)
  assert.equal(window.limit, 8)
})

test('many slow answers of one round trip are one reason to send less, not many', () => {
  const window = new Window(16)
  window.sent(toLogIndex(1), 0)
  window.answered(toLogIndex(1), 1)
  for (let index = 2; index <= 17; index++) window.sent(toLogIndex(index), 10)
  for (let index = 2; index <= 17; index++) window.answered(toLogIndex(index), 9 + index)
  // The first one that was slow found 13 under way.
  assert.equal(window.limit, 6)
})

test('a path that became longer for good is the new measure', () => {
  const window = new Window(4)
  let index = 0
  for (let tick = 0; tick < 2000; tick += 100) {
    while (window.hasRoom) window.sent(toLogIndex(++index), tick)
    window.answered(toLogIndex(index), tick + (tick < 500 ? 1 : 50))
  }
  assert.equal(window.limit, 4)
})
