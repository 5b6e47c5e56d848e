/** The stories of docs/OPERATIONS.md, section "A cluster", told with real processes and the commands of that page. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { type HandNode, idsOf, nodesByHand, threeByHand, until } from './by-hand.ts'

const timeout = 300_000

test('a first start waits for all voters; a fourth joins, and the leader leaves', { timeout }, async t => {
  const [one, two, three, four] = (await nodesByHand(t, 4, { voters: 3 })) as [HandNode, HandNode, HandNode, HandNode]
  one.start()
  two.start()
  await one.untilWaiting(/^Node 3 at \S+ is not reached/)
  await two.untilWaiting(/^Node 3 at \S+ is not reached/)
  await one.untilSaid(/waiting for the controller quorum/)
  assert.match(one.said, new RegExp(`Node 3 at ${three.peerUrl} is not reached`))
  three.start()
  await Promise.all([one, two, three].map(node => node.untilReady()))
  await two.text('topic', 'create', 'orders', '-p', '3')

  // The list it is started with names the three.
  await four.start().untilReady()
  const before = await four.quorum()
  assert.deepEqual(idsOf(before.voters), [1, 2, 3])
  assert.deepEqual(idsOf(before.observers), [4])
  assert.match(await one.text('quorum', 'describe'), /^ *4 .* Observer +ws:/m)
  assert.deepEqual(await four.topics(), ['orders'])
  assert.equal(await one.text('quorum', 'add-voter', '4', four.peerUrl), 'node 4 is a voter\n')
  const after = await one.quorum()
  assert.deepEqual(idsOf(after.voters), [1, 2, 3, 4])
  assert.deepEqual(idsOf(after.observers), [])
  assert.ok(after.voters.some(({ id, url }) => id === 4 && url === four.peerUrl))

  // Whoever leads is told to go, by itself.
  const nodes = [one, two, three, four]
  const leader = nodes.find(({ id }) => id === after.leaderId)!
  const others = nodes.filter(node => node !== leader)
  assert.match(await leader.text('quorum', 'remove-voter', String(leader.id)), /is no longer a voter/)
  await others[0]!.text('topic', 'create', 'payments')
  const left = await until(async () => {
    const described = await others[0]!.quorum()
    return described.observers.length > 0 && described
  })
  assert.deepEqual(idsOf(left.voters), idsOf(others))
  assert.deepEqual(idsOf(left.observers), [leader.id])
  assert.notEqual(left.leaderId, leader.id)
  assert.ok(left.leaderEpoch > after.leaderEpoch)
  // It is none of the voters any more, and still a node of the cluster.
  assert.deepEqual(await leader.topics(), ['orders', 'payments'])
  assert.equal((await leader.readiness())?.isReady, true)
})

test('a voter that lost its disk does not count until it was removed and added', { timeout }, async t => {
  const [one, two, three] = await threeByHand(t)
  const { leaderId } = await one.quorum()
  const [lost, other] = [one, two, three].filter(({ id }) => id !== leaderId) as [HandNode, HandNode]
  const leader = [one, two, three].find(({ id }) => id === leaderId)!
  await lost.loseDisk()
  lost.start()
  const advice = new RegExp(`quorum remove-voter ${lost.id}, then quorum add-voter ${lost.id}`)
  await Promise.all([lost.untilSaid(advice), leader.untilSaid(advice)])

  await other.stop('SIGKILL')
  await assertRefuses(leader)
  // The node that is there under the voter's number is not that voter.
  await until(() =>
    leader.topics().then(
      () => assert.fail('it answers without a majority'),
      error => String(error).includes('it hears 1 of 3 voters'),
    ),
  )
  other.start()
  await other.untilReady()
  await other.text('topic', 'create', 'with-majority')

  await addAgain(other, lost)
  await other.stop('SIGKILL')
  await leader.text('topic', 'create', 'counted')
  // Not everything: what timed out may have been done afterwards.
  const topics = await lost.topics()
  for (const name of ['with-majority', 'counted']) assert.ok(topics.includes(name), name)
})

test('a voter whose metadata log is damaged stays out, and keeps its records', { timeout }, async t => {
  const [one, two, three] = await threeByHand(t)
  await one.text('topic', 'create', 'orders', '-p', '3')
  const values = Array.from({ length: 30 }, (_, i) => `value-${i}`)
  const { code } = await one.runWith(values.join('\n'), 'produce', 'orders')
  assert.equal(code, 0)
  await three.stop()
  const raft = path.join(three.dataDir, 'raft')
  flip(path.join(raft, 'data.mdb'), 'orders')
  const refused = await three.start().ended()
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /^CorruptionError: \S+data\.mdb, .*quorum remove-voter.*quorum add-voter.*\n$/)

  renameSync(raft, `${three.dataDir}-raft-damaged`)
  three.start()
  await addAgain(one, three)
  await two.stop('SIGKILL')
  await three.text('topic', 'create', 'counted')
  await two.start().untilReady()
  const read = await three.text('consume', 'orders', '-o', 'start', '-e')
  assert.deepEqual(read.trim().split('\n').sort(), values.toSorted())
})

/** As the page says: removed, then added, while the others have a majority. */
async function addAgain(by: HandNode, node: HandNode): Promise<void> {
  await by.text('quorum', 'remove-voter', String(node.id))
  await by.text('quorum', 'add-voter', String(node.id), node.peerUrl)
  await node.untilReady()
  const { voters, observers } = await by.quorum()
  assert.deepEqual(idsOf(voters), [1, 2, 3])
  assert.deepEqual(idsOf(observers), [])
}

async function assertRefuses(node: HandNode): Promise<void> {
  const { code, stderr } = await node.run('topic', 'create', 'too-early', '-X', 'request.timeout.ms=1500')
  assert.ok(code === 1 || code === 3, stderr)
  assert.match(stderr, /^(NOT_CONTROLLER|REQUEST_TIMED_OUT|NETWORK_EXCEPTION): .*\n$/)
}

/** Damages every copy of `text` in the file: which of them the newest commit reaches, only LMDB knows. */
function flip(file: string, text: string): void {
  const bytes = readFileSync(file)
  let found = 0
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), found++) bytes[at]! ^= 0x01
  assert.ok(found > 0, `${text} is in ${file}`)
  writeFileSync(file, bytes)
}
