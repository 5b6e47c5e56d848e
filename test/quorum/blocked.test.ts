/** A leader whose event loop stood still is no leader when it wakes up, whatever it finds first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { bytes, type Node } from './harness.ts'
import { Process } from './process.ts'
import { Trio } from './trio.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code
const electionTimeoutMs = 1000

/** The first member leads and can be blocked. */
async function openBlockable(): Promise<{ trio: Trio; process: Process; leader: Node }> {
  const trio = new Trio()
  const process = new Process(trio.clock)
  const peers = process.behind(trio.network.attach(toNodeId(1)))
  const leader = await trio.open(1, { clock: process as never, peers })
  await trio.open(2)
  await trio.open(3)
  const elected = await trio.elect()
  if (elected !== leader) await trio.finish(elected.quorum.transfer(toNodeId(1), 5000))
  await trio.until(() => leader.leadership.at(-1) != null)
  return { trio, process, leader }
}

test('blocked past the election timeout: what it is asked first, it refuses', async () => {
  for (const ask of [
    (node: Node) => node.quorum.propose([bytes('late')], 1000),
    (node: Node) => node.quorum.readBarrier(1000),
    (node: Node) => node.quorum.removeVoter(toNodeId(2), 1000),
    (node: Node) => node.quorum.transfer(null, 1000),
  ]) {
    const { trio, process, leader } = await openBlockable()
    process.block()
    await trio.pass(electionTimeoutMs + 100)
    let answer: Promise<unknown> | null = null
    process.release(() => {
      answer = ask(leader)
    })
    await assert.rejects(answer!, isApiError('NOT_CONTROLLER'))
    await trio.close()
  }
})

test('blocked past the election timeout: it does not say that it leads, and is told so', async () => {
  const { trio, process, leader } = await openBlockable()
  process.block()
  await trio.pass(electionTimeoutMs + 100)
  process.release(() => assert.notEqual(leader.quorum.status().role, 'leader'))
  assert.equal(leader.leadership.at(-1), null)
  await trio.close()
})

test('acknowledgements that waited for a blocked leader commit nothing', async () => {
  const { trio, process, leader } = await openBlockable()
  let isDone = false
  const done = leader.quorum.propose([bytes('a')], 60_000).then(() => {
    isDone = true
  })
  // Sent, and acknowledged while nobody listens.
  trio.clock.runDue()
  process.block()
  await trio.pass(electionTimeoutMs + 100)
  process.release(() => {})
  assert.equal(isDone, false)
  assert.deepEqual(leader.machine.texts, [])
  assert.equal(leader.leadership.at(-1), null)
  // It was on all disks, so whoever leads next commits it.
  await trio.finish(done)
  await trio.close()
})

test('a pause shorter than the election timeout changes nothing', async () => {
  const { trio, process, leader } = await openBlockable()
  const [...before] = leader.leadership
  process.block()
  await trio.pass(electionTimeoutMs / 2)
  process.release(() => assert.equal(leader.quorum.status().role, 'leader'))
  await trio.finish(leader.quorum.propose([bytes('a')], 1000))
  assert.deepEqual(leader.leadership, before)
  await trio.close()
})
