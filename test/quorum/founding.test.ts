/** A cluster is founded once, by all of its first voters, and a member that lost its disk does not count as itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { maybeFound } from '../../src/quorum/founding.ts'
import type { Introduction } from '../../src/quorum/peer-port.ts'
import { soundQuorumRules } from '../../src/quorum/rules.ts'
import { decodeConfiguration, encodeConfiguration } from '../../src/raft/configuration.ts'
import type { Logger } from '../../src/util/logger.ts'
import { type NodeId, toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { bytes, type Node } from './harness.ts'
import { Trio } from './trio.ts'
import { urlOf } from './virtual-network.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code
const voters: ReadonlyMap<NodeId, string> = new Map([1, 2, 3].map(id => [toNodeId(id), urlOf(id)]))

function introduction(id: number, clusterId: string | null = null): Introduction {
  return { nodeId: toNodeId(id), diskId: `disk-${id}`, clusterId, url: urlOf(id) }
}

const heard = (...peers: Introduction[]): ReadonlyMap<NodeId, Introduction> =>
  new Map(peers.map(peer => [peer.nodeId, peer]))

const found = (own: Introduction, present: ReadonlyMap<NodeId, Introduction>) =>
  maybeFound(own, voters, present, soundQuorumRules)

function recorder(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = []
  const warn = (fields: Record<string, unknown>, message: string): void => {
    warnings.push(`${message}: ${String(fields.advice)}`)
  }
  return { logger: { debug() {}, info() {}, warn, error() {} }, warnings }
}

const areTold = (trio: Trio, count: number): boolean =>
  [...trio.nodes.values()].every(node => node.machine.texts.length === count)

const clusterIds = (trio: Trio): Set<string | null> =>
  new Set([...trio.nodes.values()].map(node => node.quorum.status().clusterId))

test('the first voter founds when all others were heard and are blank, and names all of them with their disks', () => {
  assert.equal(found(introduction(1), heard()), null)
  assert.equal(found(introduction(1), heard(introduction(2))), null)
  assert.equal(found(introduction(2), heard(introduction(1), introduction(3))), null, 'one founder')
  assert.equal(found(introduction(1), heard(introduction(2), introduction(3, 'older'))), null)
  const configuration = found(introduction(1), heard(introduction(3), introduction(2), introduction(9, 'foreign')))
  assert.deepEqual(configuration?.voters, [1, 2, 3])
  assert.deepEqual(
    configuration.members?.map(member => [member.id, member.diskId, member.url]),
    [1, 2, 3].map(id => [id, `disk-${id}`, urlOf(id)]),
  )
  const again = found(introduction(1), heard(introduction(2), introduction(3)))
  assert.equal(again?.clusterId, configuration.clusterId, 'made of the disks, not of the moment')
})

test('who is no first voter founds nothing', () => {
  assert.equal(found(introduction(4), heard(introduction(1), introduction(2), introduction(3))), null)
})

for (const order of [
  [1, 2, 3],
  [3, 2, 1],
  [2, 3, 1],
]) {
  test(`members that start in the order ${order.join(', ')} found one cluster, when the last one is there`, async () => {
    const trio = new Trio()
    for (const id of order.slice(0, 2)) await trio.open(id)
    await trio.pass(5_000)
    assert.deepEqual(clusterIds(trio), new Set([null]), 'nobody founds without the third')
    await trio.open(order[2]!)
    const leader = await trio.elect()
    const done = leader.quorum.propose([bytes('a')], 1000)
    await trio.until(() => areTold(trio, 1))
    await done
    assert.equal(clusterIds(trio).size, 1)
    const first = trio.images.get(toNodeId(order[2]!))!.entries[0]!
    assert.deepEqual(decodeConfiguration(first).voters, [1, 2, 3])
    await trio.close()
  })
}

test('whoever is gone again is unheard again', async () => {
  const trio = new Trio()
  await trio.open(1)
  await trio.open(2)
  await trio.pass(100)
  await trio.crash(2)
  await trio.open(3)
  await trio.pass(2000)
  assert.deepEqual(clusterIds(trio), new Set([null]))
  await trio.open(2)
  await trio.elect()
  await trio.close()
})

test('after the founding a majority suffices for every start', async () => {
  const trio = new Trio()
  await trio.openAll()
  await trio.elect()
  for (const id of [1, 2, 3]) await trio.crash(id)
  await trio.open(2)
  await trio.open(3)
  const leader = await trio.elect()
  await trio.finish(leader.quorum.propose([bytes('a')], 1000))
  await trio.close()
})

test('members that start blank beside a cluster found no second one', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  await trio.finish(leader.quorum.propose([bytes('a')], 1000))
  await trio.until(() => areTold(trio, 1))
  const clusterId = leader.quorum.status().clusterId
  // Two of three disks are lost, the founder's among them.
  for (const id of [1, 2]) {
    await trio.crash(id)
    trio.wipe(id)
    await trio.open(id)
  }
  await trio.pass(20_000)
  assert.equal(trio.nodes.get(toNodeId(3))!.quorum.status().clusterId, clusterId)
  assert.equal(trio.leader(), null, 'a majority of those that remember is gone, and nobody guesses')
  for (const id of [1, 2]) {
    const { clusterId: own } = trio.nodes.get(toNodeId(id))!.quorum.status()
    assert.ok(own === null || own === clusterId)
  }
  await trio.close()
})

test('a wiped voter neither votes nor counts; it and the others say what to do', async () => {
  const trio = new Trio()
  const seen = recorder()
  await trio.openAll({ logger: seen.logger })
  await trio.elect()
  const other = [...trio.nodes.values()].find(node => node.leadership.at(-1) == null)!
  const wiped = other.quorum.status().nodeId
  await trio.crash(wiped)
  trio.wipe(wiped)
  const own = recorder()
  await trio.open(wiped, { logger: own.logger })
  await trio.pass(10_000)
  const advice = `quorum remove-voter ${wiped}, then quorum add-voter ${wiped}`
  assert.ok(own.warnings.some(text => text.includes(advice)))
  assert.equal(seen.warnings.filter(text => text.includes(advice)).length, 2, 'each of the others says it once')
  assert.deepEqual(trio.nodes.get(wiped)!.machine.texts, [])
  // One of the two that remember goes: the wiped one makes no majority with the other.
  const leader = trio.leader()!
  const [third] = [...trio.nodes].find(([id, node]) => node !== leader && id !== wiped)!
  trio.cut.add(third)
  await trio.until(() => leader.leadership.at(-1) === null)
  await trio.pass(5_000)
  assert.equal(trio.leader(), null)
  await assert.rejects(leader.quorum.propose([bytes('lost')], 1000), isApiError('NOT_CONTROLLER'))
  trio.cut.clear()
  await trio.elect()
  await trio.close()
})

test('members of two clusters refuse each other, and say which is whose', async () => {
  const trio = new Trio()
  await trio.openAll()
  const leader = await trio.elect()
  // A stranger that founded a cluster of its own is told to join this one's network.
  const alone = new Map([[toNodeId(4), urlOf(4)]])
  const stranger = await trio.open(4, { voters: alone })
  await trio.until(() => stranger.leadership.length > 0)
  await trio.crash(4)
  await trio.open(4, { voters: new Map([...alone, ...voters]) })
  await trio.until(() => trio.network.refusals.length > 0)
  const [refusal] = trio.network.refusals
  assert.equal(refusal!.code, 'INCONSISTENT_CLUSTER_ID')
  assert.match(refusal!.message, /cluster/)
  assert.deepEqual(leader.quorum.status().observers, [])
  await trio.close()
})

test('a sole voter founds at once, and its cluster keeps its name', async () => {
  const trio = new Trio(1)
  const node: Node = await trio.open(1)
  await trio.pass(5)
  const { clusterId } = node.quorum.status()
  assert.notEqual(clusterId, null)
  await trio.crash(1)
  const again = await trio.open(1)
  await trio.pass(5)
  assert.equal(again.quorum.status().clusterId, clusterId)
  await trio.close()
})

test('a log from before clusters had names is no blank one: nobody founds beside it', async () => {
  const trio = new Trio(2)
  const image = trio.wipe(2)
  const alone = { voters: [toNodeId(2)], oldVoters: [], learners: [] }
  const term = toTerm(1)
  image.hardState = { term, votedFor: null }
  image.entries = [{ index: toLogIndex(1), term, kind: 'configuration', data: encodeConfiguration(alone) }]
  image.range = { ...image.range, endIndex: 2 }
  await trio.open(2)
  const blank = await trio.open(1)
  const old = await trio.elect()
  await trio.pass(2000)
  assert.equal(old.quorum.status().nodeId, 2)
  assert.equal(old.quorum.status().observers[0]?.id, 1, 'it is fed by the one there is')
  await trio.finish(old.quorum.addVoter(toNodeId(1), null, 5000))
  await trio.finish(old.quorum.propose([bytes('a')], 1000))
  await trio.until(() => blank.machine.texts.length === 1)
  await trio.close()
})
