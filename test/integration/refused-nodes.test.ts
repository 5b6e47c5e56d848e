/** `millrace server` that must not go on: settings that cannot be meant, and nodes of two clusters that meet. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Ended, runCli } from '../cli/support.ts'
import { type HandNode, nodesByHand } from './by-hand.ts'
import { afterTest, temporaryDirectory } from './support.ts'

const timeout = 120_000
const voters = '1@127.0.0.1:9293,2@127.0.0.1:9303,3@127.0.0.1:9313'

const cases: readonly (readonly [what: string, settings: Readonly<Record<string, string>>, line: RegExp])[] = [
  ['a colon for the @', { 'controller.quorum.voters': '1:10.0.0.1:9293' }, /quorum\.voters=.*expected id@host:port/],
  ['a voter without a port', { 'controller.quorum.voters': '1@10.0.0.1' }, /quorum\.voters=.*expected id@host:port/],
  ['a voter named twice', { 'controller.quorum.voters': `${voters},1@127.0.0.1:9999` }, /a node id is there twice/],
  ['no voters for a broker', { 'process.roles': 'broker' }, /controller\.quorum\.voters=.*only a broker/],
  [
    'a broker among the voters',
    { 'process.roles': 'broker', 'controller.quorum.voters': voters },
    /controller\.quorum\.voters=.*node\.id 1 has not the role controller/,
  ],
  [
    'a listener for nodes that others reach',
    { 'peer.listener': 'ws://0.0.0.0:9293', 'controller.quorum.voters': voters },
    /peer\.listener=.*loopback.*allow\.insecure\.listeners=true/,
  ],
  [
    'another port than the voters say',
    { 'peer.listener': 'ws://127.0.0.1:9999', 'controller.quorum.voters': voters },
    /peer\.listener=.*expected port 9293/,
  ],
]

test('settings that cannot be meant: one line, exit code 2', { timeout }, async t => {
  const dataDir = temporaryDirectory(t)
  for (const [what, settings, line] of cases) {
    const { code, stdout, stderr } = await serve(dataDir, settings)
    assert.equal(code, 2, what)
    assert.match(stderr, /^error: .*\n$/, what)
    assert.match(stderr, line, what)
    assert.equal(stdout, '')
  }
})

test('the port for nodes is in use: one line, exit code 2', { timeout }, async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  afterTest(t, () => void taken.close())
  const { port } = taken.address() as AddressInfo
  const settings = { 'peer.listener': `ws://127.0.0.1:${port}`, 'log.level': 'error' }
  const { code, stderr } = await serve(temporaryDirectory(t), settings)
  assert.equal(code, 2)
  assert.match(
    stderr,
    new RegExp(`^error: cannot listen on 127\\.0\\.0\\.1:${port} \\(peer\\.listener, .*in use.*\\n$`),
  )
})

test('a directory of another cluster: refused, with the ids of both', { timeout }, async t => {
  const [ours, theirs] = await twoClusters(t)
  const { clusterId } = await theirs.quorum()
  await theirs.stop()
  // The settings of one cluster, the data of the other.
  const led = await theirs.start().ended()
  assert.equal(led.code, 2, led.stderr)
  assert.match(led.stderr, new RegExp(`^error: controller\\.quorum\\.voters .* of cluster ${clusterId}: .*\\n$`, 'm'))

  // Without its metadata it follows, until it sees whom.
  renameSync(path.join(theirs.dataDir, 'raft'), `${theirs.dataDir}-raft`)
  const followed = await theirs.start().ended()
  assert.equal(followed.code, 2, followed.stderr)
  const { clusterId: followedId } = await ours.quorum()
  const line = `^error: the data in log\\.dirs belong to cluster ${clusterId}, .* of cluster ${followedId}: .*\\n$`
  assert.match(followed.stderr, new RegExp(line, 'm'))
})

test('nodes of two clusters that meet refuse each other, and both say so', { timeout }, async t => {
  const [ours, theirs] = await twoClusters(t)
  await theirs.stop()
  const both = [ours, theirs].map(({ id, peerUrl }) => `${id}@${new URL(peerUrl).host}`).join()
  await theirs.start({ 'controller.quorum.voters': both }).untilReady()
  const reason = /Node 2 belongs to cluster \S+, node 1 to \S+: an address or a data directory is another cluster's/
  await Promise.all([ours.untilSaid(reason), theirs.untilSaid(reason)])
  assert.deepEqual([(await ours.quorum()).leaderId, (await theirs.quorum()).leaderId], [1, 2])
})

/** Each its only voter; the settings of the second name the first when it is started without others. */
async function twoClusters(t: TestContext): Promise<[HandNode, HandNode]> {
  const [ours, theirs] = (await nodesByHand(t, 2, { voters: 1 })) as [HandNode, HandNode]
  ours.start()
  theirs.start({ 'controller.quorum.voters': `2@${new URL(theirs.peerUrl).host}` })
  await Promise.all([ours.untilReady(), theirs.untilReady()])
  return [ours, theirs]
}

function serve(dataDir: string, settings: Readonly<Record<string, string>>): Promise<Ended> {
  const pairs = Object.entries({ 'node.id': '1', ...settings }).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  return runCli(['server', '--data-dir', dataDir, '--port', '0', ...pairs])
}
