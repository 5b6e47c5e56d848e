/** The stories of docs/OPERATIONS.md about replicas, told with real processes and the commands of that page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer, type PartitionDescription, Producer } from '../../src/index.ts'
import { KiB } from '../../src/util/units.ts'
import { type HandNode, idsOf, nodesByHand, threeByHand, until } from './by-hand.ts'
import { afterTest } from './support.ts'

const timeout = 300_000

test('another machine takes over: replicas moved, the voter replaced, the old node stopped', { timeout }, async t => {
  const [one, two, three, four] = (await nodesByHand(t, 4, { voters: 3 })) as [HandNode, HandNode, HandNode, HandNode]
  for (const node of [one, two, three]) node.start()
  await Promise.all([one, two, three].map(node => node.untilReady()))
  await one.text('topic', 'create', 'orders', '-p', '6', '-r', '3')
  const values = Array.from({ length: 200 }, (_, i) => `value-${i}`)
  await produce(one, 'orders', values)
  await four.start().untilReady()

  await patiently(one, 'partition', 'reassign', '--topic', 'orders', '--brokers', '1,3,4', '--throttle', '50MiB')
  assert.equal(await one.text('partition', 'list', '--reassigning', '--format', 'json'), '[]\n')
  for (const { replicas, isr } of await one.partitions('orders')) {
    assert.deepEqual(sorted(replicas), [1, 3, 4])
    assert.deepEqual(sorted(isr), [1, 3, 4])
  }
  await one.text('quorum', 'add-voter', '4', four.peerUrl)
  await one.text('quorum', 'remove-voter', '2')
  assert.equal((await two.stop()).code, 0)
  assert.deepEqual(idsOf((await one.quorum()).voters), [1, 3, 4])
  await produce(four, 'orders', ['afterwards'])
  const read = await four.text('consume', 'orders', '-o', 'start', '-e')
  assert.deepEqual(read.trim().split('\n').sort(), [...values, 'afterwards'].sort())
})

test('a move keeps to its throttle, shows how far it is, holds nobody up, and can be let go faster', {
  timeout,
}, async t => {
  const nodes = await threeByHand(t)
  const [one] = nodes
  await one.text('topic', 'create', 'orders', '-p', '1', '-r', '2', '-c', 'min.insync.replicas=2')
  const [{ replicas, leader }] = (await one.partitions('orders')) as [PartitionDescription]
  const added = nodes.find(({ id }) => !replicas.includes(id))!
  const producer = new Producer({ bootstrap: one.url, acks: 'all' })
  afterTest(t, () => producer.close())
  const count = 600
  const value = 'x'.repeat(10_000)
  await producer.send({ topic: 'orders', messages: Array.from({ length: count }, () => ({ value })) })

  const rate = 128 * KiB
  const toAll = ['partition', 'reassign', '--topic', 'orders', '--brokers', '1,2,3', '-r', '3']
  const before = await receivedBytes(added)
  const startMs = performance.now()
  const begun = await one.text(...toAll, '--throttle', String(rate), '--no-wait', '--format', 'json')
  assert.deepEqual((JSON.parse(begun) as PartitionDescription[])[0]!.addingReplicas, [added.id])
  // What is in sync takes records all the while: the third replica has copied none of these.
  const lags = new Set<number>()
  let sends = 0
  await until(async () => {
    await producer.send({ topic: 'orders', messages: [{ value: 'while it moves' }] })
    sends++
    const bytes = (await receivedBytes(added)) - before
    const seconds = (performance.now() - startMs) / 1_000
    assert.ok(bytes <= rate * (seconds + 2) + 2 * value.length, `${bytes} bytes after ${seconds} s`)
    const [partition] = await one.replicas('orders')
    assert.ok(!partition!.isr.includes(added.id), 'it cannot have copied everything yet')
    const lag = partition!.replicaStates?.find(({ nodeId }) => nodeId === added.id)?.lag ?? null
    if (lag !== null && lag < count) lags.add(lag)
    return lags.size >= 3 && sends >= 20
  })
  assert.match(
    await one.text('partition', 'list', '--reassigning'),
    new RegExp(`^orders +0 +${leader} .* ${added.id} *-?$`, 'm'),
  )
  assert.match(await one.text('topic', 'describe', 'orders'), new RegExp(`\\b${added.id}:[1-9]`))

  await patiently(one, ...toAll, '--throttle', '1GiB')
  assert.equal(await one.text('partition', 'list', '--reassigning', '--format', 'json'), '[]\n')
  assert.equal((await one.partitions('orders'))[0]!.isr.length, 3)
  const configs = await one.text('config', 'list', '--broker', String(leader), '--format', 'json')
  const throttle = (JSON.parse(configs) as { key: string; source: string }[]).find(
    ({ key }) => key === 'replica.catchup.rate.bytes.per.second',
  )
  assert.notEqual(throttle!.source, 'broker-dynamic', 'the throttle is gone')
})

test('a node is drained, leads nothing, stays in sync, and leads again', { timeout }, async t => {
  const [one, two, three] = await threeByHand(t)
  await one.text('topic', 'create', 'orders', '-p', '6', '-r', '3')
  await until(async () => (await one.partitions('orders')).some(({ leader }) => leader === two.id))
  await one.text('broker', 'drain', '2')
  for (const { leader, isr } of await three.partitions('orders')) {
    assert.notEqual(leader, two.id)
    assert.ok(isr.includes(two.id))
  }
  await produce(two, 'orders', ['while it is drained'])
  await one.text('broker', 'drain', '2', '--cancel')
  await patiently(one, 'partition', 'elect', '--all')
  assert.ok((await one.partitions('orders')).some(({ leader }) => leader === two.id))
})

test('a partition without a leader waits for the replica that has everything; --unclean gives that up', {
  timeout,
}, async t => {
  const nodes = await threeByHand(t)
  const [one] = nodes
  await one.text('topic', 'create', 'orders', '-p', '1', '-r', '2', '-c', 'min.insync.replicas=1')
  const [{ leader, replicas }] = (await one.partitions('orders')) as [PartitionDescription]
  const last = nodes.find(({ id }) => id === leader)!
  const behind = nodes.find(({ id }) => id !== leader && replicas.includes(id))!
  const other = nodes.find(({ id }) => !replicas.includes(id))!
  await produce(other, 'orders', ['both have it'])
  await behind.stop()
  await produce(other, 'orders', ['one has it'])
  const consumer = new Consumer({ bootstrap: nodes.map(({ url }) => url), topics: ['orders'], from: 'start' })
  afterTest(t, () => consumer.close())
  assert.deepEqual([await nextOf(consumer), await nextOf(consumer)], ['both have it', 'one has it'])
  await last.stop('SIGKILL')
  await behind.start().untilReady()
  await until(async () => (await other.partitions('orders'))[0]!.leader < 0)
  assert.match(await other.text('partition', 'list', '--offline'), /^orders +0 +none /m)
  const refused = await other.run('partition', 'elect', 'orders:0')
  assert.equal(refused.code, 1, 'its preferred leader is away or not in sync')
  assert.match(await other.text('partition', 'list', '--offline'), /^orders +0 +none /m)

  await patiently(other, 'partition', 'elect', 'orders:0', '--unclean')
  assert.equal((await other.partitions('orders'))[0]!.leader, behind.id)
  await produce(other, 'orders', ['another in its place'])
  // Who has read what is lost hears of it, and goes on with what is there now.
  const lost = { code: 'LOG_TRUNCATED', position: 2, divergingOffset: 1 } as const
  await assert.rejects(nextOf(consumer), lost)
  consumer.seek({ topic: 'orders', partition: 0, offset: lost.divergingOffset })
  assert.equal(await nextOf(consumer), 'another in its place')
  // Whoever has more than the new leader gives it up, as the page warns.
  await last.start().untilReady()
  await until(async () => (await other.partitions('orders'))[0]!.isr.length === 2)
  const read = await last.text('consume', 'orders', '-o', 'start', '-e', '-f', '%o %s\\n')
  assert.equal(read, '0 both have it\n1 another in its place\n')
})

async function produce(by: HandNode, topic: string, values: readonly string[]): Promise<void> {
  const { code, stderr } = await by.runWith(values.join('\n'), 'produce', topic)
  assert.equal(code, 0, stderr)
}

async function nextOf(consumer: Consumer): Promise<string> {
  for await (const { value } of consumer) return new TextDecoder().decode(value ?? undefined)
  return assert.fail('it has ended')
}

/** Again while the quorum has no leader, as on a machine so busy that they lose each other. Of commands that may be repeated. */
async function patiently(by: HandNode, ...args: string[]): Promise<void> {
  await until(async () => {
    const { code, stderr } = await by.run(...args)
    assert.ok(code === 0 || /^(NOT_CONTROLLER|REQUEST_TIMED_OUT)/.test(stderr), `millrace ${args.join(' ')}: ${stderr}`)
    return code === 0
  })
}

/** Bytes of batches that leaders have sent to this node. */
function receivedBytes(node: HandNode): Promise<number> {
  return node.metric('millrace_replication_received_bytes_total')
}

function sorted(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b)
}
