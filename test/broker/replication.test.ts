/** What replicas of a partition do for each other: see test/broker/replicas.ts for what is real here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeReplicas, fetch } from '../../src/protocol/apis/index.ts'
import { splitBatches } from '../../src/protocol/batch/decoder.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { StorageError } from '../../src/util/errors.ts'
import { noEpoch, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import { errorsOf, fetchRequest, isSettled } from './harness.ts'
import { Replicas } from './replicas.ts'

const values = (count: number, prefix = 'v'): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`)
const ids = (...numbers: number[]) => numbers.map(toNodeId)

test('acks=all is answered when every replica in sync has it; then all know that it is committed', async () => {
  const cluster = await Replicas.open()
  const leader = cluster.node(1)
  assert.deepEqual(await cluster.until(leader.produce(values(20))), new Array(20).fill(null))
  for (const id of [2, 3]) assert.equal(cluster.node(id).partition().log.durableEndOffset, 20)
  await cluster.run(50)
  for (const id of [1, 2, 3]) assert.equal(cluster.node(id).partition().highWatermark, 20)
  await cluster.assertAlike()
  await cluster.stop()
})

test('a follower that is away holds acks=all back until it has left the in-sync replicas; back again, it catches up and joins', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const leader = cluster.node(1)
  cluster.node(3).cutOff()
  const waiting = leader.produce(values(5))
  await cluster.run(300)
  assert.equal(await isSettled(waiting), false)
  assert.equal(leader.partition().highWatermark, 0)
  assert.deepEqual(await cluster.until(waiting), new Array(5).fill(null))
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2))
  cluster.node(3).listen()
  await cluster.run(2000)
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  await cluster.assertAlike()
  await cluster.stop()
})

test('below min.insync.replicas nothing is committed, nor promised', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 }, configs: { 'min.insync.replicas': '2' } })
  const leader = cluster.node(1)
  for (const id of [2, 3]) cluster.node(id).cutOff()
  const waiting = leader.produce(['a'], { timeoutMs: 4000 })
  await cluster.run(3000)
  assert.deepEqual(cluster.partitionImage().isr, ids(1))
  assert.deepEqual(await cluster.until(leader.produce(['b'])), ['NOT_ENOUGH_REPLICAS'])
  assert.deepEqual(await cluster.until(waiting), ['NOT_ENOUGH_REPLICAS_AFTER_APPEND'])
  assert.equal(leader.partition().highWatermark, 0)
  cluster.node(2).listen()
  await cluster.run(3000)
  assert.equal(leader.partition().highWatermark, 1)
  await cluster.stop()
})

test('what an old leader appended and nobody else had is cut off when a new one is followed', async () => {
  const cluster = await Replicas.open({ configs: { 'min.insync.replicas': '1' } })
  const [one, two] = [cluster.node(1), cluster.node(2)]
  await cluster.until(one.produce(values(10)))
  // The leader is cut off from everybody, and does not know that another leads.
  for (const id of [2, 3]) cluster.node(id).cutOff()
  one.isUninformed = true
  await cluster.until(one.produce(values(7, 'lost'), { acks: 1 }))
  cluster.change({ leaderId: toNodeId(2), isr: ids(2, 3) })
  for (const id of [2, 3]) cluster.node(id).listen()
  assert.deepEqual(await cluster.until(two.produce(values(5, 'kept'))), new Array(5).fill(null))
  assert.equal(one.partition().log.logEndOffset, 17)
  one.isUninformed = false
  one.inform()
  await cluster.run(2000)
  assert.equal((await cluster.assertAlike()).length, 15)
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  await cluster.stop()
})

test('a leader of an epoch that is over is refused by its followers', async () => {
  const cluster = await Replicas.open()
  const one = cluster.node(1)
  one.isUninformed = true
  cluster.change({ leaderId: toNodeId(2) })
  const waiting = one.produce(['late'], { timeoutMs: 500 })
  assert.deepEqual(await cluster.until(waiting), ['REQUEST_TIMED_OUT'])
  assert.equal(cluster.node(3).partition().log.logEndOffset, 0)
  await cluster.stop()
})

test('connections that break at any moment lose nothing and double nothing', async () => {
  const cluster = await Replicas.open({ partitions: 4 })
  const leader = cluster.node(1)
  const answers: Promise<unknown>[] = []
  for (let round = 0; round < 60; round++) {
    answers.push(leader.produce(values(3, `${round}-`), { partition: round % 4 }))
    if (round % 5 === 0) cluster.node(2 + (round % 2)).cutOff({ isForGood: false })
    await cluster.run(round % 7)
  }
  assert.deepEqual((await cluster.until(Promise.all(answers))).flat(), new Array(180).fill(null))
  for (const partition of [0, 1, 2, 3]) assert.equal((await cluster.assertAlike([1, 2, 3], partition)).length, 45)
  await cluster.stop()
})

test('records that follow one another carry the high watermark; it goes alone once they have ended', async () => {
  const cluster = await Replicas.open()
  const leader = cluster.node(1)
  const { stats } = leader.broker
  const before = stats.appendRequests
  for (let at = 0; at < 30; at++) {
    void leader.produce([`v${at}`])
    await cluster.run(3)
  }
  assert.equal(stats.appendRequests - before, 2 * 30)
  await cluster.run(20)
  assert.equal(stats.appendRequests - before, 2 * 31)
  for (const id of [1, 2, 3]) assert.equal(cluster.node(id).partition().highWatermark, 30)
  await cluster.stop()
})

test('however slow the followers are, few requests are under way to them, and what came meanwhile goes together', async () => {
  const cluster = await Replicas.open({ latencyMs: 50 })
  const leader = cluster.node(1)
  const { stats } = leader.broker
  const before = stats.appendRequests
  const answers: Promise<unknown>[] = []
  for (let at = 0; at < 300; at++) {
    answers.push(leader.produce([`v${at}`]))
    await cluster.run(1)
  }
  // A round trip takes 100 ms: eight for each of three, and eight more that had begun.
  assert.ok(stats.appendRequests - before <= 2 * 4 * 8, `${stats.appendRequests - before} requests`)
  assert.deepEqual((await cluster.until(Promise.all(answers))).flat(), new Array(300).fill(null))
  await cluster.assertAlike()
  await cluster.stop()
})

test('a follower that was killed catches up from what it had on disk', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const leader = cluster.node(1)
  await cluster.until(leader.produce(values(10)))
  cluster.node(3).kill()
  cluster.informAll()
  await cluster.until(leader.produce(values(10)))
  await cluster.until(cluster.node(3).start())
  await cluster.run(2000)
  await cluster.assertAlike()
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  assert.equal(cluster.node(3).partition().highWatermark, 20)
  await cluster.stop()
})

test('a follower far behind is fed from files, within half of the window', async () => {
  const cluster = await Replicas.open({
    replication: { lagMsMax: 1000, inFlightBytesMax: 1 << 18 },
    tailCacheBytes: 1 << 14,
    partitions: 3,
  })
  const leader = cluster.node(1)
  cluster.node(3).cutOff()
  const large = 'x'.repeat(3000)
  for (const partition of [0, 1, 2]) {
    await cluster.until(leader.produce(new Array(200).fill(large), { partition, acks: 1 }))
  }
  await cluster.run(3000)
  for (const partition of [0, 1, 2]) assert.deepEqual(cluster.partitionImage(partition).isr, ids(1, 2))
  cluster.node(3).listen()
  await cluster.run(5000)
  for (const partition of [0, 1, 2]) {
    assert.equal((await cluster.assertAlike([1, 2, 3], partition)).length, 200)
    assert.deepEqual(cluster.partitionImage(partition).isr, ids(1, 2, 3))
  }
  await cluster.stop()
})

test('a connection that is lost with what was read from files does not leave its partition waiting for that room', async () => {
  const cluster = await Replicas.open({
    replication: { lagMsMax: 1000, inFlightBytesMax: 1 << 21 },
    tailCacheBytes: 1 << 14,
    latencyMs: 40,
  })
  const leader = cluster.node(1)
  cluster.node(3).cutOff()
  // More than is read at once: while that is on its way the rest waits for its room.
  const values = new Array(170).fill('x'.repeat(30_000))
  await cluster.until(leader.produce(values, { acks: 1 }))
  await cluster.run(3000)
  for (let ms = 100; ms < 400; ms += 20) {
    cluster.node(3).listen()
    await cluster.run(ms)
    cluster.node(3).cutOff()
    await cluster.run(100)
  }
  cluster.node(3).listen()
  await cluster.run(10_000)
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  assert.equal((await cluster.assertAlike()).length, values.length)
  await cluster.stop()
})

test('a follower whose leader has deleted what it lacks begins anew there', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const leader = cluster.node(1)
  await cluster.until(leader.produce(values(5)))
  cluster.node(3).cutOff()
  await cluster.until(leader.produce(values(20)))
  await cluster.until(leader.partition().deleteBelow(15))
  await cluster.run(100)
  assert.equal(cluster.node(2).partition().log.logStartOffset, 15, 'those who have it all follow the start')
  cluster.node(3).listen()
  await cluster.run(3000)
  const { log } = cluster.node(3).partition()
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [15, 25])
  await cluster.assertAlike()
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  await cluster.stop()
})

test('a reader of another rack is sent to the replica in its own, which serves what is committed', async () => {
  const cluster = await Replicas.open()
  const [one, two] = [cluster.node(1), cluster.node(2)]
  await cluster.until(one.produce(values(3)))
  await cluster.run(50)
  const read = (rack: string | null, fetchOffset: number) => fetchRequest({ rack, partitions: [{ fetchOffset }] })
  const sent = (await one.call(fetch, read('rack-2', 3))).partitions[0]!
  assert.deepEqual([sent.preferredReadReplica, (sent.records as Uint8Array).length], [2, 0])
  for (const rack of ['rack-1', 'elsewhere', null]) {
    const served = (await cluster.until(one.call(fetch, read(rack, 0)))).partitions[0]!
    assert.deepEqual([served.preferredReadReplica, served.highWatermark], [-1, 3], `${rack}`)
  }
  assert.equal(splitBatches((await two.call(fetch, read('rack-2', 0))).partitions[0]!.records as Uint8Array).length, 3)
  assert.deepEqual(errorsOf(await two.call(fetch, read(null, 0))), ['NOT_LEADER_OR_FOLLOWER'])
  assert.deepEqual(errorsOf(await two.call(fetch, read('rack-2', 4))), ['OFFSET_NOT_AVAILABLE'])
  // A long poll at a follower is woken by what its leader says to be committed.
  const waiting = two.call(fetch, { ...read('rack-2', 3), maxWaitMs: 30_000 })
  await cluster.until(one.produce(['next']))
  await cluster.run(50)
  assert.equal(splitBatches((await waiting).partitions[0]!.records as Uint8Array).length, 1)
  // Whoever is out of sync is nobody's nearest.
  cluster.change({ isr: ids(1, 3) })
  assert.equal((await cluster.until(one.call(fetch, read('rack-2', 0)))).partitions[0]!.preferredReadReplica, -1)
  await cluster.stop()
})

test('a reader of records that an unclean election cut off is told by the leader, and by a follower that has compared', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const [one, two, three] = [cluster.node(1), cluster.node(2), cluster.node(3)]
  await cluster.until(one.produce(values(3)))
  three.cutOff()
  await cluster.until(one.produce(values(2)))
  await cluster.run(3000)
  assert.equal(two.partition().highWatermark, 5)
  two.cutOff()
  three.listen()
  const elected = { leaderId: three.id, isr: [three.id], uncleanEpoch: toLeaderEpoch(1) }
  cluster.change(elected)
  const at = async (node: typeof two, fetchOffset: number, lastFetchedEpoch: number) => {
    const request = fetchRequest({ rack: `rack-${node.id}`, partitions: [{ fetchOffset, lastFetchedEpoch }] })
    const answer = (await cluster.until(node.call(fetch, request))).partitions[0]!
    return errorsOf({ partitions: [answer] })[0] ?? answer.divergingEpoch
  }
  assert.deepEqual(await at(three, 5, 0), { epoch: 0, endOffset: 3 })
  await cluster.until(three.produce(values(2), { acks: 1 }))
  assert.equal(await at(three, 5, 1), null)
  // It has not heard from the new leader: which of the two logs is the one that counts, it cannot say.
  assert.equal(await at(two, 4, 1), 'OFFSET_NOT_AVAILABLE')
  two.listen()
  await cluster.run(3000)
  await cluster.assertAlike()
  for (const node of [two, three]) {
    assert.deepEqual(await at(node, 5, 0), { epoch: 0, endOffset: 3 })
    assert.equal(await at(node, 4, 1), null)
  }
  await cluster.stop()
})

/** Three replicas of which the third was cut off and has three records; the others have five, which are committed. */
async function openWithOneBehind(configs: Record<string, string> = {}): Promise<Replicas> {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 }, configs })
  await cluster.until(cluster.node(1).produce(values(3)))
  cluster.node(3).cutOff()
  await cluster.until(cluster.node(1).produce(values(2)))
  await cluster.run(6000)
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2))
  return cluster
}

test('after an unclean election a follower knows nothing to be committed until it has compared its log', async () => {
  const cluster = await openWithOneBehind()
  const [two, three] = [cluster.node(2), cluster.node(3)]
  assert.equal(two.partition().highWatermark, 5)
  two.cutOff()
  cluster.change({ leaderId: three.id, isr: [three.id], uncleanEpoch: toLeaderEpoch(1) })
  assert.equal(two.partition().highWatermark, 0)
  const read = fetchRequest({ rack: 'rack-2', partitions: [{ fetchOffset: 1 }] })
  assert.deepEqual(errorsOf(await two.call(fetch, read)), ['OFFSET_NOT_AVAILABLE'])
  two.listen()
  three.listen()
  await cluster.run(3000)
  for (const id of [1, 2, 3]) assert.equal(cluster.node(id).partition().highWatermark, 3)
  await cluster.stop()
})

test('what grows in the place of what an unclean election cut off is not committed because that was, nor after a crash', async () => {
  // Its new records wait for a second replica, which nobody lets in.
  const cluster = await openWithOneBehind({ 'min.insync.replicas': '2' })
  const [two, three] = [cluster.node(2), cluster.node(3)]
  cluster.refuse = () => {
    throw new ApiError('NOT_CONTROLLER')
  }
  three.listen()
  cluster.change({ leaderId: three.id, isr: [three.id], uncleanEpoch: toLeaderEpoch(1) })
  await cluster.until(three.produce(values(3), { acks: 1 }))
  await cluster.run(1000)
  assert.equal(Math.max(3, two.partition().highWatermark), 3)
  three.cutOff()
  two.kill()
  cluster.informAll()
  await cluster.until(two.start())
  assert.equal(two.partition().log.logEndOffset, 6)
  assert.equal(Math.max(3, two.partition().highWatermark), 3)
  await cluster.stop()
})

test('nothing is written down as committed that a full disk may yet take back', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const three = cluster.node(3)
  const noted = () => three.logs.highWatermarks.get(three.partition().id)
  await cluster.until(cluster.node(1).produce(values(2)))
  await cluster.run(6000)
  assert.equal(noted(), 2)
  three.disk.intercept = ({ kind, path }) => (kind === 'sync' && path.endsWith('.log') ? 'hang' : null)
  const answers = cluster.node(1).produce(values(3))
  await cluster.run(6000)
  assert.deepEqual(await cluster.until(answers), new Array(3).fill(null))
  const { log, highWatermark } = three.partition()
  assert.deepEqual([log.durableEndOffset, highWatermark], [2, 5])
  assert.equal(noted(), 2)
})

test('an unclean leader takes nothing for committed that its disk has not', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const three = cluster.node(3)
  three.disk.intercept = ({ kind, path }) => (kind === 'sync' && path.endsWith('.log') ? 'hang' : null)
  const answers = cluster.node(1).produce(values(5))
  await cluster.run(3000)
  assert.deepEqual(await cluster.until(answers), new Array(5).fill(null), 'the others do without it')
  const { log } = three.partition()
  assert.deepEqual([log.logEndOffset, log.durableEndOffset, three.partition().highWatermark], [5, 0, 5])
  cluster.change({ leaderId: three.id, isr: [three.id], uncleanEpoch: toLeaderEpoch(1) })
  assert.equal(three.partition().highWatermark, 0)
})

test('the leader says how far each replica has come', async () => {
  const cluster = await Replicas.open({ replication: { lagMsMax: 1000 } })
  const one = cluster.node(1)
  await cluster.until(one.produce(values(2)))
  cluster.node(3).cutOff()
  await cluster.until(one.produce(values(2)))
  await cluster.run(1000)
  const partitions = [{ topic: 't', topicId: null, partition: 0 }]
  const [described] = (await one.call(describeReplicas, { partitions })).partitions
  assert.deepEqual(
    described!.replicas.map(({ nodeId, endOffset, isInSync }) => [nodeId, endOffset, isInSync]),
    [
      [1, 4, true],
      [2, 4, true],
      [3, 2, false],
    ],
  )
  assert.equal(described!.replicas[1]!.caughtUpAgoMs, 0)
  assert.ok(described!.replicas[2]!.caughtUpAgoMs >= 1000)
  assert.deepEqual(errorsOf(await cluster.node(2).call(describeReplicas, { partitions })), ['NOT_LEADER_OR_FOLLOWER'])
  assert.equal(one.broker.replication().lagMax.get(toNodeId(3)), 2)
  await cluster.stop()
})

test('a follower that does not answer holds no more than the window in memory', async () => {
  const windowBytes = 1 << 20
  const cluster = await Replicas.open({
    replication: { lagMsMax: 1000, inFlightBytesMax: windowBytes, requestTimeoutMs: 60_000 },
  })
  const one = cluster.node(1)
  cluster.node(3).disk.intercept = ({ kind, path }) => (kind === 'sync' && path.endsWith('.log') ? 'hang' : null)
  const large = 'x'.repeat(100_000)
  const answers = one.produce(new Array(100).fill(large))
  let most = 0
  for (let round = 0; round < 40; round++) {
    await cluster.run(50)
    most = Math.max(most, one.broker.replication().inFlightBytes)
  }
  assert.ok(most > windowBytes / 2 && most <= 3 * windowBytes, `${most} bytes on their way`)
  assert.deepEqual(await cluster.until(answers), new Array(100).fill(null))
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2))
})

test('a leader whose full disk takes back what followers have gives up its epoch', async () => {
  const cluster = await Replicas.open()
  const one = cluster.node(1)
  await cluster.until(one.produce(values(2)))
  one.disk.capacityBytes = one.disk.usedBytes
  const answers = await cluster.until(one.produce(values(3, 'lost')))
  assert.deepEqual(answers, new Array(3).fill('DISK_FULL'))
  await cluster.run(20)
  assert.equal(cluster.node(2).partition().log.logEndOffset, 5, 'the followers have them')
  assert.deepEqual(await cluster.until(one.produce(['x'])), ['NOT_LEADER_OR_FOLLOWER'])
  assert.match(one.broker.unfitReason() ?? '', /full/)
  cluster.change({ leaderId: toNodeId(2), isr: ids(2, 3) })
  assert.deepEqual(await cluster.until(cluster.node(2).produce(['next'])), [null])
  one.disk.capacityBytes = Number.POSITIVE_INFINITY
  await cluster.run(10_000)
  assert.equal(one.broker.unfitReason(), null)
  assert.deepEqual(one.fatal, [], 'somebody else leads: there is nothing to wait for')
  assert.equal((await cluster.assertAlike()).length, 6)
  await cluster.stop()
})

test('a replica whose disk failed is told of until the metadata show it, and its leader asks for it no more', async () => {
  const cluster = await Replicas.open({ configs: { 'flush.policy': 'os' } })
  const [one, two] = [cluster.node(1), cluster.node(2)]
  await cluster.until(one.produce(values(2)))
  assert.deepEqual(two.broker.partitions.offlineNews(), [])
  two.disk.intercept = ({ kind, path }) => (kind === 'write' && path.endsWith('.log') ? 'EIO' : null)
  assert.notDeepEqual(await cluster.until(one.produce(['x'])), [])
  await cluster.run()
  const [news] = two.broker.partitions.offlineNews()
  assert.deepEqual([news?.topicId, news?.partition], ['id-t', 0])
  assert.equal(two.broker.unfitReason(), null, 'it can serve everything else')
  cluster.change({ isr: ids(1, 3), offlineReplicas: ids(2) })
  assert.deepEqual(two.broker.partitions.offlineNews(), [])
  const asked = cluster.asked.length
  assert.deepEqual(await cluster.until(one.produce(['y'])), [null])
  await cluster.run(30_000)
  assert.equal(cluster.asked.length, asked, 'it cannot be in sync')
  cluster.change({ replicas: ids(1, 3), offlineReplicas: [] })
  assert.deepEqual(two.broker.partitions.offlineNews(), [], 'it is no replica any more')
  await cluster.stop()
})

test('an epoch that was given up and has no successor within ten seconds ends the process, which may then lead in another', async () => {
  const cluster = await Replicas.open()
  const one = cluster.node(1)
  await cluster.until(one.produce(values(2)))
  one.disk.capacityBytes = one.disk.usedBytes
  assert.deepEqual(await cluster.until(one.produce(values(3, 'lost'))), new Array(3).fill('DISK_FULL'))
  await cluster.run(9_500)
  assert.match(one.broker.unfitReason() ?? '', /full/)
  assert.deepEqual(one.fatal, [])
  await cluster.run(1_000)
  const [fatal, ...more] = one.fatal as readonly Error[]
  assert.ok(fatal instanceof StorageError)
  assert.match(fatal.message, /took back records that were sent/)
  assert.equal(more.length, 0)
  // As the supervisor does: started again, with space, it leads in the epoch that it is given.
  one.kill()
  one.disk.capacityBytes = Number.POSITIVE_INFINITY
  await cluster.until(one.start())
  cluster.change({ leaderId: toNodeId(1) })
  assert.deepEqual(await cluster.until(one.produce(['kept'])), [null])
  await cluster.run(1_000)
  assert.equal((await cluster.assertAlike()).length, 3)
  await cluster.stop()
})

test('a follower that is registered anew is begun with anew, though nothing else is to be sent', async () => {
  const cluster = await Replicas.open({ latencyMs: 50, configs: { 'min.insync.replicas': '1' } })
  await cluster.until(cluster.node(1).produce(values(2)))
  await cluster.run(500)
  // As when it was fenced for a moment: its connection stands, and its log has everything.
  cluster.register(cluster.node(3))
  cluster.change({ isr: ids(1, 2) })
  await cluster.run(3000)
  assert.deepEqual(cluster.partitionImage().isr, ids(1, 2, 3))
  await cluster.assertAlike()
  await cluster.stop()
})

test('a restarted leader of a new epoch knows what was committed before', async () => {
  const cluster = await Replicas.open()
  await cluster.until(cluster.node(1).produce(values(10)))
  await cluster.run(6000)
  for (const node of cluster.nodes.values()) await cluster.until(node.stop())
  const one = cluster.node(1)
  one.disk = one.disk.kill()
  cluster.change({ leaderId: null })
  await cluster.until(one.start())
  assert.equal(one.partition().highWatermark, 10)
  assert.notEqual(one.partition().leaderEpoch, noEpoch)
  await cluster.until(one.stop())
})
