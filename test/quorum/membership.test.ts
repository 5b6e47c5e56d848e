/** Members that come and go under load: observers, learners that become voters, voters that leave, leaders that hand over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import type { QuorumOptions } from '../../src/quorum/options.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { bytes, type Node } from './harness.ts'
import { idOf, Trio } from './trio.ts'
import { urlOf } from './virtual-network.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code
const id = toNodeId
const timeoutMs = 10_000

async function openTrio(options: Partial<QuorumOptions> = {}): Promise<{ trio: Trio; leader: Node }> {
  const trio = new Trio()
  await trio.openAll(options)
  return { trio, leader: await trio.elect() }
}

/** Proposes all the time; returns how to stop, which resolves with what was acknowledged. */
function load(trio: Trio): () => Promise<string[]> {
  const acknowledged: string[] = []
  let isOver = false
  let count = 0
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const text = `v${count++}`
      try {
        await trio.leader()!.quorum.propose([bytes(text)], 2000)
        acknowledged.push(text)
      } catch {
        await new Promise<void>(resolve => trio.clock.setTimer(20, resolve))
      }
    }
  }
  const workers = [worker(), worker(), worker()]
  return async () => {
    isOver = true
    await trio.finish(Promise.all(workers))
    return acknowledged
  }
}

const votersOf = (node: Node): number[] =>
  node.quorum
    .status()
    .voters.map(voter => voter.id)
    .sort()

function assertHolds(node: Node, acknowledged: readonly string[]): void {
  const texts = new Set(node.machine.texts)
  assert.equal(texts.size, node.machine.texts.length, 'nothing twice')
  assert.ok(
    acknowledged.every(text => texts.has(text)),
    'everything acknowledged is there',
  )
}

test('a member of no configuration is fed by whoever leads, and decides nothing', async () => {
  const { trio, leader } = await openTrio()
  const observer = await trio.open(4)
  await trio.finish(leader.quorum.propose([bytes('a')], timeoutMs))
  await trio.until(() => observer.machine.texts.length === 1)
  const status = leader.quorum.status()
  assert.deepEqual(
    status.observers.map(replica => [replica.id, replica.diskId, replica.url]),
    [[4, observer.storage.diskId, urlOf(4)]],
  )
  assert.deepEqual(votersOf(leader), [1, 2, 3])
  assert.equal(observer.quorum.status().role, 'learner')
  assert.equal(observer.quorum.status().clusterId, status.clusterId)
  // With two voters away, an observer helps nobody.
  for (const voter of trio.ids) if (voter !== idOf(leader)) trio.cut.add(voter)
  await assert.rejects(trio.finish(leader.quorum.propose([bytes('b')], 300)), isApiError('REQUEST_TIMED_OUT'))
  trio.cut.clear()
  await trio.close()
})

test('the next leader feeds the observers too, and forgets those that went', async () => {
  const { trio, leader } = await openTrio()
  const observer = await trio.open(4)
  await trio.until(() => observer.machine.restores + leader.quorum.status().observers.length > 0)
  const next = await trio.finish(leader.quorum.transfer(null, timeoutMs))
  const follower = trio.nodes.get(next)!
  await trio.finish(follower.quorum.propose([bytes('a')], timeoutMs))
  await trio.until(() => observer.machine.texts.length === 1)
  assert.deepEqual(leader.quorum.status().observers, [])
  assert.equal(follower.quorum.status().observers.length, 1)
  await trio.crash(4)
  await trio.until(() => follower.quorum.status().observers.length === 0)
  await trio.close()
})

test('a voter is added under load: fed first, then counted; asking again changes nothing', async () => {
  const { trio, leader } = await openTrio({ snapshots: { entriesMax: 50, retainedEntries: 5 } })
  const stop = load(trio)
  await trio.pass(1000)
  const added = await trio.open(4)
  await trio.finish(leader.quorum.addVoter(id(4), urlOf(4), timeoutMs))
  assert.deepEqual(votersOf(leader), [1, 2, 3, 4])
  assert.deepEqual(leader.quorum.status().learners, [])
  const { commitIndex } = leader.quorum.status()
  await trio.finish(leader.quorum.addVoter(id(4), urlOf(4), timeoutMs))
  await trio.finish(leader.quorum.addVoter(id(4), null, timeoutMs))
  assert.equal(leader.quorum.status().voters.length, 4)
  assert.ok(leader.quorum.status().commitIndex >= commitIndex)
  const acknowledged = await stop()
  await trio.until(() => added.machine.texts.length === leader.machine.texts.length)
  assertHolds(added, acknowledged)
  await trio.close()
})

test('a voter that nobody has heard of is waited for, and no longer than asked', async () => {
  const { trio, leader } = await openTrio()
  await assert.rejects(trio.finish(leader.quorum.addVoter(id(4), null, timeoutMs)), isApiError('INVALID_REQUEST'))
  const adding = leader.quorum.addVoter(id(4), urlOf(4), 2000)
  await trio.pass(500)
  assert.equal(trio.network.reachedBy(idOf(leader)).get(id(4)), urlOf(4))
  await assert.rejects(trio.finish(adding), isApiError('REQUEST_TIMED_OUT'))
  assert.equal(trio.network.reachedBy(idOf(leader)).get(id(4)), undefined, 'nobody looks for it any more')
  const again = leader.quorum.addVoter(id(4), urlOf(4), timeoutMs)
  await trio.pass(500)
  // It knows nobody: it is found.
  await trio.open(4, { voters: new Map([[id(5), urlOf(5)]]) })
  await trio.finish(again)
  assert.deepEqual(votersOf(leader), [1, 2, 3, 4])
  await trio.close()
})

test('a learner that does not catch up is not promoted, and the next leader goes on when asked', async () => {
  const { trio, leader } = await openTrio()
  const learner = await trio.open(4)
  await trio.until(() => leader.quorum.status().observers.length === 1)
  learner.storage.isGated = true
  const adding = leader.quorum.addVoter(id(4), null, 2000)
  await assert.rejects(trio.finish(adding), (error: unknown) => {
    return isApiError('REQUEST_TIMED_OUT')(error) && /caught up/.test(String(error))
  })
  assert.deepEqual(votersOf(leader), [1, 2, 3])
  assert.deepEqual(
    leader.quorum.status().learners.map(replica => replica.id),
    [4],
  )
  const next = trio.nodes.get(await trio.finish(leader.quorum.transfer(null, timeoutMs)))!
  await trio.until(() => next.leadership.at(-1) != null)
  await trio.pass(2000)
  assert.deepEqual(votersOf(next), [1, 2, 3], 'nobody goes on by himself')
  learner.storage.isGated = false
  while (learner.storage.waiting > 0) await learner.storage.finish()
  await trio.crash(4)
  // A learner was heard of by somebody: it is waited for.
  const again = next.quorum.addVoter(id(4), null, timeoutMs)
  await trio.pass(500)
  await trio.open(4)
  await trio.finish(again)
  assert.deepEqual(votersOf(next), [1, 2, 3, 4])
  await trio.close()
})

test('a voter is removed, knows it, and is fed on as an observer', async () => {
  const { trio, leader } = await openTrio()
  const gone = trio.ids.find(voter => voter !== idOf(leader))!
  await trio.finish(leader.quorum.removeVoter(gone, timeoutMs))
  assert.equal(votersOf(leader).length, 2)
  await assert.rejects(trio.finish(leader.quorum.removeVoter(gone, timeoutMs)), isApiError('VOTER_NOT_FOUND'))
  await assert.rejects(trio.finish(leader.quorum.removeVoter(id(9), timeoutMs)), isApiError('VOTER_NOT_FOUND'))
  await trio.until(() => leader.quorum.status().observers.length === 1)
  await trio.finish(leader.quorum.propose([bytes('a')], timeoutMs))
  const removed = trio.nodes.get(gone)!
  await trio.until(() => removed.machine.texts.length === 1)
  assert.equal(removed.quorum.status().role, 'learner')
  await trio.close()
})

test('the leader removes itself: it is told when it is done, and somebody else leads', async () => {
  const { trio, leader } = await openTrio()
  const stop = load(trio)
  await trio.pass(200)
  const gone = idOf(leader)
  await trio.finish(leader.quorum.removeVoter(gone, timeoutMs))
  await trio.until(() => trio.leader() !== null && trio.leader() !== leader)
  const next = trio.leader()!
  assert.ok(!votersOf(next).includes(gone))
  assert.equal(votersOf(next).length, 2)
  const acknowledged = await stop()
  assertHolds(next, acknowledged)
  await assert.rejects(leader.quorum.removeVoter(gone, timeoutMs), isApiError('NOT_CONTROLLER'))
  await trio.close()
})

test('a leader that is deposed while it removes a voter does not say that nothing was done; asked again, it is', async () => {
  const { trio, leader } = await openTrio()
  const [gone, other] = trio.ids.filter(voter => voter !== idOf(leader))
  trio.cut.add(gone!).add(other!)
  await assert.rejects(trio.finish(leader.quorum.removeVoter(gone!, timeoutMs)), (error: unknown) => {
    return isApiError('REQUEST_TIMED_OUT')(error) && /may or may not/.test(String(error))
  })
  assert.equal(leader.quorum.status().leaderId, null)
  trio.cut.clear()
  const next = await trio.elect()
  const outcome = await trio.finish(
    next.quorum.removeVoter(gone!, timeoutMs).then(
      () => 'removed',
      (error: ApiError) => error.code,
    ),
  )
  // The change was in the log of the next leader, or it was not.
  assert.ok(outcome === 'removed' || outcome === 'VOTER_NOT_FOUND', outcome)
  assert.ok(!votersOf(next).includes(gone!))
  await trio.close()
})

test('the only voter stays', async () => {
  const trio = new Trio(1)
  const node = await trio.open(1)
  await trio.until(() => node.leadership.length > 0)
  await assert.rejects(trio.finish(node.quorum.removeVoter(id(1), timeoutMs)), isApiError('INVALID_REQUEST'))
  await assert.rejects(trio.finish(node.quorum.transfer(null, timeoutMs)), isApiError('INVALID_REQUEST'))
  assert.equal(await trio.finish(node.quorum.transfer(id(1), timeoutMs)), 1)
  await trio.close()
})

test('from one voter to three and on to another one, under load', async () => {
  const trio = new Trio(1)
  const first = await trio.open(1)
  await trio.until(() => first.leadership.length > 0)
  const stop = load(trio)
  for (const next of [2, 3]) {
    await trio.open(next)
    await trio.finish(first.quorum.addVoter(id(next), urlOf(next), timeoutMs))
  }
  assert.deepEqual(votersOf(first), [1, 2, 3])
  await trio.finish(first.quorum.removeVoter(id(1), timeoutMs))
  await trio.until(() => trio.leader() !== null && trio.leader() !== first)
  const acknowledged = await stop()
  await trio.crash(1)
  const leader = await trio.elect()
  assert.deepEqual(votersOf(leader), [2, 3])
  assertHolds(leader, acknowledged)
  await trio.close()
})

test('a voter with a new disk is another voter: removed, then added', async () => {
  const { trio, leader } = await openTrio()
  await trio.finish(leader.quorum.propose([bytes('a')], timeoutMs))
  const wiped = trio.ids.find(voter => voter !== idOf(leader))!
  await trio.crash(wiped)
  trio.wipe(wiped)
  const node = await trio.open(wiped)
  await trio.pass(1000)
  const adding = leader.quorum.addVoter(wiped, urlOf(wiped), timeoutMs)
  await assert.rejects(trio.finish(adding), isApiError('DUPLICATE_VOTER'))
  await trio.finish(leader.quorum.removeVoter(wiped, timeoutMs))
  await trio.finish(leader.quorum.addVoter(wiped, null, timeoutMs))
  await trio.until(() => node.machine.texts.length === 1)
  const known = leader.quorum.status().voters.find(voter => voter.id === wiped)
  assert.equal(known?.diskId, node.storage.diskId)
  await trio.close()
})

test('changes asked for at the same moment follow each other', async () => {
  const { trio, leader } = await openTrio()
  await trio.open(4)
  await trio.open(5)
  const gone = trio.ids.find(voter => voter !== idOf(leader))!
  const all = [
    leader.quorum.addVoter(id(4), urlOf(4), timeoutMs),
    leader.quorum.addVoter(id(5), urlOf(5), timeoutMs),
    leader.quorum.removeVoter(gone, timeoutMs),
  ]
  await trio.finish(Promise.all(all))
  assert.deepEqual(
    votersOf(leader),
    [1, 2, 3, 4, 5].filter(voter => voter !== gone),
  )
  await trio.close()
})

test('a change in a minority times out, and nobody pretends', async () => {
  const { trio, leader } = await openTrio()
  await trio.open(4)
  await trio.until(() => leader.quorum.status().observers.length === 1)
  for (const voter of trio.ids) if (voter !== idOf(leader)) trio.cut.add(voter)
  const adding = leader.quorum.addVoter(id(4), null, 300)
  await assert.rejects(trio.finish(adding), isApiError('REQUEST_TIMED_OUT'))
  const removing = leader.quorum.removeVoter(trio.ids.find(voter => voter !== idOf(leader))!, 60_000)
  await assert.rejects(trio.finish(removing), isApiError('NOT_CONTROLLER'), 'it stepped down meanwhile')
  trio.cut.clear()
  await trio.elect()
  await trio.close()
})

test('who does not lead says who does', async () => {
  const { trio, leader } = await openTrio()
  const follower = [...trio.nodes.values()].find(node => node !== leader)!
  await trio.until(() => follower.quorum.status().leaderId !== null)
  const names = new RegExp(`node ${idOf(leader)} does`)
  for (const ask of [
    () => follower.quorum.addVoter(id(4), urlOf(4), timeoutMs),
    () => follower.quorum.removeVoter(id(1), timeoutMs),
    () => follower.quorum.transfer(null, timeoutMs),
    () => follower.quorum.propose([bytes('a')], timeoutMs),
    () => follower.quorum.readBarrier(timeoutMs),
  ]) {
    await assert.rejects(ask(), (error: unknown) => isApiError('NOT_CONTROLLER')(error) && names.test(String(error)))
  }
  await trio.close()
})

test('leadership goes around under load: nothing acknowledged is lost, nothing comes twice', async () => {
  const { trio } = await openTrio()
  const stop = load(trio)
  for (const to of [2, 3, 1, 2]) {
    const leader = await trio.elect()
    const expected = to === idOf(leader) ? idOf(leader) : id(to)
    assert.equal(await trio.finish(leader.quorum.transfer(expected, timeoutMs)), expected)
    await trio.until(() => trio.nodes.get(expected)!.leadership.at(-1) != null)
    await trio.pass(200)
  }
  const acknowledged = await stop()
  assert.ok(acknowledged.length > 0)
  const leader = await trio.elect()
  await trio.until(() => [...trio.nodes.values()].every(n => n.machine.texts.length === leader.machine.texts.length))
  for (const node of trio.nodes.values()) assertHolds(node, acknowledged)
  await trio.close()
})

test('what is proposed in the turn in which a transfer or a change begins is answered by what becomes of it', async () => {
  const { trio, leader } = await openTrio()
  // The proposal is the input behind which the change begins. Found by simulation (`npm run sim -- --seed 113614`): it
  // was in the log, and the caller was told that this member does not lead.
  const changes: Array<() => Promise<unknown>> = [
    () => leader.quorum.removeVoter(id(9), timeoutMs),
    () => leader.quorum.transfer(null, timeoutMs),
  ]
  for (const begin of changes) {
    const beginning = begin().catch(() => null)
    const index = await trio.finish(leader.quorum.propose([bytes('a')], timeoutMs))
    assert.ok(index > 0)
    await trio.finish(beginning)
  }
  assert.deepEqual(leader.machine.texts, ['a', 'a'])
  await trio.close()
})

test('a transfer to somebody who is away fails, and the leader leads on', async () => {
  const { trio, leader } = await openTrio()
  const away = trio.ids.find(voter => voter !== idOf(leader))!
  trio.cut.add(away)
  await assert.rejects(trio.finish(leader.quorum.transfer(away, timeoutMs)), isApiError('REQUEST_TIMED_OUT'))
  await trio.finish(leader.quorum.propose([bytes('a')], timeoutMs))
  await assert.rejects(trio.finish(leader.quorum.transfer(id(9), timeoutMs)), isApiError('VOTER_NOT_FOUND'))
  // Who is away is not chosen either.
  const other = trio.ids.find(voter => voter !== idOf(leader) && voter !== away)
  assert.equal(await trio.finish(leader.quorum.transfer(null, timeoutMs)), other)
  await trio.close()
})

test('a member that closes leaves no change without an answer', async () => {
  const { trio, leader } = await openTrio()
  const adding = leader.quorum.addVoter(id(4), urlOf(4), 60_000)
  const outcome = assert.rejects(adding, isApiError('REQUEST_TIMED_OUT'))
  await trio.crash(idOf(leader))
  await outcome
  await trio.close()
})
