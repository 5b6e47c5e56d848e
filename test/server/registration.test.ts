import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BrokerRegistration, BrokerWants, Controller, PartitionPlace } from '../../src/controller/types.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import type { QuorumStatus } from '../../src/quorum/types.ts'
import { MajorityWatch } from '../../src/server/majority-watch.ts'
import { BrokerMembership, untilAnswered } from '../../src/server/registration.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type BrokerEpoch, type NodeId, toBrokerEpoch, toNodeId } from '../../src/util/numbers.ts'
import { turn } from '../broker/harness.ts'

const registration = {
  nodeId: toNodeId(1),
  incarnationId: 'i',
  url: 'ws://x',
  rack: null,
  clusterId: null,
  peerUrl: null,
}

/** Adds a listener; returns what takes it away. */
function stopping<L>(listeners: Set<L>, listener: L): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function setUp() {
  const clock = new VirtualClock()
  const calls: string[] = []
  let registrations = 0
  /** What the next calls reject with. */
  const refusals: ApiError[] = []
  let mayStop = true
  let isSilent = false
  let fenceReason: string | null = null
  let offlineNews: readonly PartitionPlace[] = []
  let remembered: BrokerEpoch | null = null
  const reachedListeners = new Set<() => void>()
  const leaderListeners = new Set<(leaderId: NodeId | null) => void>()
  const refuse = (): void => {
    const error = refusals.shift()
    if (error !== undefined) throw error
  }
  const controller = {
    async registerBroker({ previousEpoch }: BrokerRegistration): Promise<BrokerEpoch> {
      calls.push(previousEpoch === null ? 'register' : `register after ${previousEpoch}`)
      refuse()
      return toBrokerEpoch(++registrations)
    },
    async heartbeat(_id: number, epoch: BrokerEpoch, wants: BrokerWants, offline: readonly PartitionPlace[] = []) {
      const without = offline.map(({ topicId, partition }) => ` without ${topicId}-${partition}`).join()
      calls.push(`${{ serve: 'beat', fence: 'unfit', shutdown: 'stop' }[wants]} ${epoch}${without}`)
      refuse()
      if (isSilent) await new Promise(() => {})
      return { isFenced: wants === 'fence', mayStop }
    },
    onLeader: (listener: (leaderId: NodeId | null) => void) => stopping(leaderListeners, listener),
  } as Partial<Controller> as Controller
  const advance = async (ms: number, steps = 1): Promise<void> => {
    for (let i = 0; i < steps; i++) {
      clock.advance(ms)
      await turn()
    }
  }
  const open = () =>
    BrokerMembership.open({
      controller,
      registration,
      clock,
      logger: silentLogger,
      heartbeatIntervalMs: 2_000,
      sessionTimeoutMs: 9_000,
      epochs: {
        previous: () => remembered,
        announce: async () => {},
        remember: async epoch => void (remembered = epoch),
      },
      fenceReason: () => fenceReason,
      offlineNews: () => offlineNews,
      onReached: listener => stopping(reachedListeners, listener),
    })
  return {
    clock,
    calls,
    refusals,
    advance,
    open,
    letStop: (may: boolean) => (mayStop = may),
    answerNothing: () => (isSilent = true),
    fence: (reason: string | null) => (fenceReason = reason),
    lose: (...news: readonly PartitionPlace[]) => (offlineNews = news),
    reach(): void {
      for (const listener of reachedListeners) listener()
    },
    elect(leaderId: NodeId | null): void {
      for (const listener of leaderListeners) listener(leaderId)
    },
    listening: () => reachedListeners.size + leaderListeners.size,
  }
}

describe('membership', () => {
  test('registers as soon as there is a controller, then says at intervals that it lives', async () => {
    const t = setUp()
    t.refusals.push(new ApiError('NOT_CONTROLLER'), new ApiError('REQUEST_TIMED_OUT'))
    const opening = t.open()
    await t.advance(10, 5)
    const membership = await opening
    await t.advance(2_000, 3)
    assert.deepEqual(t.calls, ['register', 'register', 'register', 'beat 1', 'beat 1', 'beat 1'])
    membership[Symbol.dispose]()
    assert.equal(t.clock.nextEventMs(), null)
  })

  test('a refusal that does not pass fails the start', async () => {
    const t = setUp()
    t.refusals.push(new ApiError('INCONSISTENT_CLUSTER_ID'))
    await assert.rejects(t.open(), { code: 'INCONSISTENT_CLUSTER_ID' })
  })

  test('its former life is waited for, another process of its number only so long', async () => {
    const t = setUp()
    t.refusals.push(new ApiError('DUPLICATE_BROKER_REGISTRATION'), new ApiError('DUPLICATE_BROKER_REGISTRATION'))
    const opening = t.open()
    await t.advance(10, 5)
    const formerGone = await opening
    formerGone[Symbol.dispose]()
    assert.equal(t.calls.length, 3)
    t.refusals.push(...Array.from({ length: 1_000 }, () => new ApiError('DUPLICATE_BROKER_REGISTRATION')))
    const refused = assert.rejects(t.open(), { code: 'DUPLICATE_BROKER_REGISTRATION' })
    await t.advance(500, 40)
    await refused
  })

  test('forgotten by the controller, it registers anew; another failure waits for the next beat', async () => {
    const t = setUp()
    const membership = await t.open()
    t.refusals.push(new ApiError('NOT_CONTROLLER'))
    await t.advance(2_000)
    t.refusals.push(new ApiError('STALE_BROKER_EPOCH'))
    await t.advance(2_000, 2)
    assert.deepEqual(t.calls, ['register', 'beat 1', 'beat 1', 'register after 1', 'beat 2'])
    membership[Symbol.dispose]()
  })

  test('says that it lives as soon as a node is reached again or another leads, also when it is just saying so', async () => {
    const t = setUp()
    const membership = await t.open()
    t.reach()
    t.reach()
    await t.advance(0)
    assert.deepEqual(t.calls, ['register', 'beat 1'])
    t.elect(null)
    await t.advance(0)
    assert.equal(t.calls.length, 2, 'there is nobody to be told')
    t.elect(toNodeId(2))
    t.clock.advance(0)
    t.reach()
    await turn()
    await t.advance(0)
    assert.equal(t.calls.length, 4, 'the one under way may have been said to somebody who has forgotten')
    await t.advance(1_999)
    assert.equal(t.calls.length, 4)
    await t.advance(1)
    assert.equal(t.calls.length, 5)
    membership[Symbol.dispose]()
    assert.equal(t.listening(), 0)
    assert.equal(t.clock.nextEventMs(), null)
  })

  test('says that it is unfit as long as there is a reason', async () => {
    const t = setUp()
    const membership = await t.open()
    t.fence('The disk is full.')
    await t.advance(2_000, 2)
    assert.equal(membership.fencedBecause, 'The disk is full.')
    t.fence(null)
    await t.advance(2_000)
    assert.equal(membership.fencedBecause, null)
    assert.deepEqual(t.calls, ['register', 'unfit 1', 'unfit 1', 'beat 1'])
    membership[Symbol.dispose]()
  })

  test('says at once that it has become unfit, and that it is fit again, and once', async () => {
    const t = setUp()
    const membership = await t.open()
    await t.advance(500)
    t.fence('The disk is full.')
    await t.advance(200, 5)
    assert.equal(membership.fencedBecause, 'The disk is full.')
    t.fence(null)
    await t.advance(200, 5)
    assert.equal(membership.fencedBecause, null)
    assert.deepEqual(t.calls, ['register', 'unfit 1', 'beat 1'])
    await t.advance(2_000)
    assert.deepEqual(t.calls.slice(3), ['beat 1'], 'and then at its usual intervals')
    membership[Symbol.dispose]()
    assert.equal(t.clock.nextEventMs(), null)
  })

  test('says at once which partitions the disk failed, until the metadata show it', async () => {
    const t = setUp()
    const membership = await t.open()
    await t.advance(500)
    t.lose({ topicId: 'id-t', partition: 3 })
    await t.advance(200, 2)
    t.lose()
    await t.advance(200, 5)
    assert.deepEqual(t.calls, ['register', 'beat 1 without id-t-3', 'beat 1 without id-t-3'])
    await t.advance(2_000)
    assert.deepEqual(t.calls.slice(3), ['beat 1'])
    membership[Symbol.dispose]()
  })

  test('drains until the controller lets it go, and no longer than its grace', async () => {
    const t = setUp()
    const membership = await t.open()
    t.letStop(false)
    const draining = membership.drain(1_000, new AbortController().signal)
    await t.advance(10, 3)
    t.letStop(true)
    await t.advance(100, 2)
    await draining
    assert.ok(t.calls.filter(call => call === 'stop 1').length >= 2)
    t.letStop(false)
    const late = membership.drain(1_000, new AbortController().signal)
    await t.advance(250, 8)
    await late
  })

  test('a controller that does not answer holds a stop up no longer than its grace', async () => {
    const t = setUp()
    const membership = await t.open()
    t.answerNothing()
    const draining = membership.drain(1_000, new AbortController().signal)
    await t.advance(250, 4)
    await draining
  })
})

test('a stop waits for nobody once there is no majority to answer', async () => {
  const t = setUp()
  const membership = await t.open()
  t.answerNothing()
  let votersHeard = 3
  let tellGone = (_id: NodeId): void => {}
  const network = {
    onGone: (listener: (id: NodeId) => void) => {
      tellGone = listener
      return () => (tellGone = () => {})
    },
  }
  const status = () => ({ voters: [1, 2, 3], votersHeard }) as unknown as QuorumStatus
  const majority = new MajorityWatch(status, network)
  let isDrained = false
  const draining = membership.drain(1_000, majority.lost).then(() => (isDrained = true))
  votersHeard = 2
  tellGone(toNodeId(2))
  await turn()
  assert.equal(isDrained, false, 'two of three can decide')
  votersHeard = 1
  tellGone(toNodeId(3))
  await draining
  await majority.unlessLost(new Promise(() => {}))
  majority[Symbol.dispose]()
  assert.equal(t.clock.nextEventMs(), null)
  // Lost before the stop began; and a node without others never loses anything.
  const late = new MajorityWatch(status, network)
  assert.ok(late.lost.aborted)
  await membership.drain(1_000, late.lost)
  assert.equal(
    new MajorityWatch(() => ({ voters: [1], votersHeard: 1 }) as unknown as QuorumStatus, null).lost.aborted,
    false,
  )
})

test('untilAnswered gives up when it is cancelled', async () => {
  const signal = AbortSignal.abort()
  const ask = () => Promise.reject(new ApiError('NOT_CONTROLLER'))
  await assert.rejects(untilAnswered(new VirtualClock(), ask, { signal }), { name: 'AbortError' })
})
