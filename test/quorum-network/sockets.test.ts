/** Three members of a quorum over real WebSockets: what the simulation cannot show is that the port is wired right. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/platform/clock.ts'
import { createAccessCheck } from '../../src/platform/http-access.ts'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { openWsServer } from '../../src/platform/ws-server.ts'
import { limits } from '../../src/protocol/common.ts'
import { openPeerNetwork, peerListenerLimits } from '../../src/quorum/network/peer-network.ts'
import { openQuorum } from '../../src/quorum/open-quorum.ts'
import type { Quorum } from '../../src/quorum/types.ts'
import { MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { type Listener, openListener } from '../../src/transport/listener.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { MiB } from '../../src/util/units.ts'
import { ListMachine } from '../quorum/harness.ts'

const ids = [1, 2, 3].map(toNodeId)

/** Its port is open; who it belongs to is not there yet. */
async function openPort() {
  const held: { listener: Listener | null } = { listener: null }
  const ws = await openWsServer({
    host: '127.0.0.1',
    port: 0,
    access: createAccessCheck({ ownHosts: [], allowedHosts: [], allowedOrigins: [] }),
    messageBytesMax: limits.frameBytes,
    connectionsMax: 100,
    connectionsPerIpMax: 100,
    onSocket: socket => held.listener!.accept(socket),
    logger: silentLogger,
  })
  return { held, ws, url: `ws://127.0.0.1:${ws.port}` }
}

async function openTrio(t: TestContext) {
  const ports = await Promise.all(ids.map(openPort))
  const voters = new Map(ids.map((id, at) => [id, ports[at]!.url]))
  const members = ids.map(async (nodeId, at) => {
    const { held, ws, url } = ports[at]!
    const common = { nodeId, clock: systemClock, random: seededRandom(nodeId), logger: silentLogger }
    const network = openPeerNetwork({ ...common, socketFactory: wsSocketFactory({ zeroMask: 'always' }) })
    held.listener = openListener({
      name: 'CONTROLLER',
      handlers: network.handlers,
      identity: () => ({ clusterId: '', nodeId, software: 'test' }),
      clock: systemClock,
      limits: peerListenerLimits(),
    })
    const machine = new ListMachine()
    const quorum = await openQuorum({
      ...common,
      storage: memoryStorage(new MemoryStorageImage(`disk-${nodeId}`)),
      voters,
      url,
      stateMachine: machine,
      peers: network,
      timing: { electionTimeoutMs: 500, heartbeatMs: 100, tickMs: 25 },
      onFatal: error => {
        throw error
      },
    })
    const close = async (): Promise<void> => {
      await quorum[Symbol.asyncDispose]()
      await network[Symbol.asyncDispose]()
      await held.listener!.close(100)
      await ws.close()
    }
    return { nodeId, machine, quorum, network, close: once(close) }
  })
  const trio = await Promise.all(members)
  t.after(() => Promise.all(trio.map(member => member.close())))
  return trio
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | null = null
  return () => {
    closing ??= close()
    return closing
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setTimeout(resolve, 5))
}

function leaderOf(members: readonly { readonly nodeId: NodeId; readonly quorum: Quorum }[]): NodeId | null {
  const leaders = new Set(members.map(({ quorum }) => quorum.status().leaderId))
  const [leader] = leaders
  return leaders.size === 1 && members.some(({ nodeId }) => nodeId === leader) ? leader! : null
}

test('three members elect, commit what is large and what is small, and do it again without their leader', async t => {
  const trio = await openTrio(t)
  await until(() => leaderOf(trio) !== null)
  const leader = trio.find(({ nodeId }) => nodeId === leaderOf(trio))!
  const encoder = new TextEncoder()
  const large = 'x'.repeat(5 * MiB)
  await until(() => leader.quorum.status().role === 'leader')
  await leader.quorum.readBarrier(5_000)
  await leader.quorum.propose(
    ['a', large, 'b'].map(text => encoder.encode(text)),
    10_000,
  )
  await until(() => trio.every(({ machine }) => machine.texts.length === 3))
  for (const { machine } of trio) assert.deepEqual(machine.texts, ['a', large, 'b'])

  await leader.close()
  const others = trio.filter(member => member !== leader)
  await until(() => leaderOf(others) !== null)
  const next = others.find(({ nodeId }) => nodeId === leaderOf(others))!
  await next.quorum.readBarrier(5_000)
  await next.quorum.propose([encoder.encode('c')], 10_000)
  await until(() => others.every(({ machine }) => machine.texts.length === 4))
  assert.equal(new Set(trio.map(({ quorum }) => quorum.status().clusterId)).size, 1)
})
