/** Nodes with one role: a broker follows and never votes, a controller holds no records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HandNode, idsOf, nodesByHand } from './by-hand.ts'

test('a broker that does not vote serves its records while the quorum is down', { timeout: 120_000 }, async t => {
  const nodes = (await nodesByHand(t, 4, { voters: 3 })) as [HandNode, HandNode, HandNode, HandNode]
  const [one, two, three, broker] = nodes
  for (const node of [one, two, three]) node.start({ 'process.roles': 'controller' })
  await broker.start({ 'process.roles': 'broker', 'request.timeout.ms': '2000' }).untilReady()
  await Promise.all(nodes.map(node => node.untilReady()))
  const { voters, observers } = await broker.quorum()
  assert.deepEqual(idsOf(voters), [1, 2, 3])
  assert.deepEqual(idsOf(observers), [4])

  await broker.text('topic', 'create', 'orders', '-p', '6')
  const [topic] = JSON.parse(await broker.text('topic', 'describe', 'orders', '--format', 'json')) as [
    { partitions: { leader: number }[] },
  ]
  assert.ok(
    topic.partitions.every(({ leader }) => leader === 4),
    'nothing is placed on controllers',
  )
  await produce(broker, 'with a quorum')

  for (const node of [two, three]) await node.stop('SIGKILL')
  await produce(broker, 'without one')
  assert.deepEqual(await consumed(broker), ['with a quorum', 'without one'])
  const { code, stderr } = await broker.run('topic', 'create', 'too-early', '-X', 'request.timeout.ms=3000')
  assert.ok(code === 1 || code === 3, stderr)

  for (const node of [two, three]) node.start({ 'process.roles': 'controller' })
  await Promise.all(nodes.map(node => node.untilReady()))
  await broker.text('topic', 'create', 'payments')
  assert.deepEqual(await consumed(broker), ['with a quorum', 'without one'])
})

async function produce(node: HandNode, value: string): Promise<void> {
  const { code, stderr } = await node.runWith(`${value}\n`, 'produce', 'orders')
  assert.equal(code, 0, stderr)
}

async function consumed(node: HandNode): Promise<string[]> {
  const printed = await node.text('consume', 'orders', '-o', 'start', '-e')
  return printed.trim().split('\n').sort()
}
