/** Three drivers on virtual time: elections, a cut-off leader, dropped tails, snapshots for who was away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { bytes } from './harness.ts'
import { idOf, Trio } from './trio.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

test('three members elect one leader, and every member applies what it commits', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  const done = leader.quorum.propose([bytes('a'), bytes('b')], 1000)
  await trio.until(() => [...trio.nodes.values()].every(node => node.machine.texts.length === 2))
  assert.equal(await done, leader.quorum.status().appliedIndex)
  for (const node of trio.nodes.values()) {
    assert.deepEqual(node.machine.texts, ['a', 'b'])
    assert.equal(node.quorum.status().leaderId, idOf(leader))
  }
  await trio.pass(1000)
  const { voters } = leader.quorum.status()
  assert.deepEqual(new Set(voters.map(voter => voter.logEndIndex)).size, 1)
  for (const voter of voters) assert.ok(trio.clock.nowMs() - voter.lastCaughtUpMs! <= 200)
  await trio.close()
})

test('a cut-off leader steps down, refuses reads and writes, and its tail is dropped on return', async () => {
  const trio = new Trio()
  await trio.openAll()
  const old = await trio.elect()
  trio.cut.add(idOf(old))
  const lost = old.quorum.propose([bytes('lost')], 60_000)
  const outcome = assert.rejects(lost, isApiError('REQUEST_TIMED_OUT'))
  const read = assert.rejects(old.quorum.readBarrier(60_000), isApiError('NOT_CONTROLLER'))
  await trio.until(() => old.leadership.at(-1) === null)
  await read
  await assert.rejects(old.quorum.propose([bytes('refused')], 1000), isApiError('NOT_CONTROLLER'))
  const next = await trio.elect()
  const kept = next.quorum.propose([bytes('kept')], 1000)
  await trio.until(() => next.machine.texts.includes('kept'))
  await kept
  trio.cut.clear()
  await trio.until(() => old.machine.texts.includes('kept'))
  await outcome
  for (const node of trio.nodes.values()) assert.deepEqual(node.machine.texts, ['kept'])
  await trio.close()
})

test('in a minority a proposal times out: nobody knows, and nobody guesses', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  trio.cut.add(idOf(leader))
  const outcome = assert.rejects(leader.quorum.propose([bytes('a')], 300), isApiError('REQUEST_TIMED_OUT'))
  await trio.pass(500)
  await outcome
  await trio.close()
})

test('reads are confirmed by a round of heartbeats', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  let isDone = false
  const read = leader.quorum.readBarrier(1000).then(() => {
    isDone = true
  })
  await trio.pass(0)
  assert.equal(isDone, false)
  await trio.until(() => isDone)
  await read
  await trio.close()
})

test('a read that is confirmed still waits for what it must see to be applied here', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  await trio.pass(500)
  // The others commit it; on the leader's own disk it is not, so it is not applied there.
  leader.storage.isGated = true
  const done = leader.quorum.propose([bytes('a')], 5000)
  await trio.until(() => leader.quorum.status().commitIndex > leader.quorum.status().appliedIndex)
  let seen: readonly string[] | null = null
  const read = leader.quorum.readBarrier(5000).then(() => {
    seen = [...leader.machine.texts]
  })
  await trio.pass(300)
  assert.equal(seen, null)
  leader.storage.isGated = false
  while (leader.storage.waiting > 0) await leader.storage.finish()
  await trio.finish(Promise.all([read, done]))
  assert.deepEqual(seen, ['a'])
  await trio.close()
})

test('nothing is written while nothing changes', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  await trio.finish(leader.quorum.propose([bytes('a')], 1000))
  await trio.pass(1000)
  const before = [...trio.nodes.values()].map(node => node.storage.persists)
  await trio.pass(10_000)
  await trio.finish(leader.quorum.readBarrier(1000))
  const after = [...trio.nodes.values()].map(node => node.storage.persists)
  assert.deepEqual(after, before)
  await trio.close()
})

test('a member that was away is caught up by a snapshot', async () => {
  const trio = new Trio()
  await trio.openAll({ snapshots: { entriesMax: 20, retainedEntries: 2 } })
  const leader = await trio.elect()
  const [late] = [...trio.nodes.values()].filter(node => node !== leader)
  trio.cut.add(idOf(late!))
  for (let i = 0; i < 60; i++) {
    const done = leader.quorum.propose([bytes(`v${i}`)], 5000)
    await trio.until(() => leader.machine.texts.length === i + 1)
    await done
  }
  trio.cut.clear()
  await trio.until(() => late!.machine.texts.length === 60)
  assert.equal(late!.machine.restores, 1)
  assert.deepEqual(late!.machine.texts, leader.machine.texts)
  assert.ok(late!.quorum.status().snapshotIndex > 0)
  await trio.close()
})

test('proposals of one turn travel as one append to each follower', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  await trio.pass(500)
  trio.sent.length = 0
  const done = Array.from({ length: 50 }, (_, i) => leader.quorum.propose([bytes(`v${i}`)], 5000))
  await trio.until(() => leader.machine.texts.length === 50)
  await Promise.all(done)
  const withEntries = trio.sent.filter(message => message.kind === 'appendEntries' && message.entries.length > 0)
  assert.equal(withEntries.length, 2)
  await trio.close()
})

test('members that crash and return agree with the rest', async () => {
  const trio = new Trio()
  await trio.openAll()
  const expected: string[] = []
  for (let round = 0; round < 6; round++) {
    const leader = await trio.elect()
    const text = `round ${round}`
    const done = leader.quorum.propose([bytes(text)], 5000)
    await trio.until(() => leader.machine.texts.includes(text))
    await done
    expected.push(text)
    const id = idOf(leader)
    // Dies without a word; its image is what it had written.
    trio.cut.add(id)
    const dying = leader.quorum[Symbol.asyncDispose]()
    await trio.until(() => trio.leader() !== null)
    await dying
    trio.cut.delete(id)
    await trio.open(id)
  }
  await trio.until(() => [...trio.nodes.values()].every(node => node.machine.texts.length === expected.length))
  for (const node of trio.nodes.values()) assert.deepEqual(node.machine.texts, expected)
  await trio.close()
})
