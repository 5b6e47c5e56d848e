/** Connections to other brokers: one for each, to the node that is meant, and anew when it closed or moved. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NodeLinks } from '../../src/broker/gateway/node-links.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { until, wsRig } from '../platform/ws-rig.ts'

/** The rig says that it is node 1 of cluster `c`. */
function linksTo(urlOf: () => string | null, clusterId = 'c'): NodeLinks {
  return new NodeLinks({
    nodeId: toNodeId(9),
    clusterId,
    socketFactory: wsSocketFactory(),
    clock: systemClock,
    logger: silentLogger,
    connectTimeoutMs: 30_000,
    urlOf,
  })
}

test('one connection, shared by all that ask, and another when it has closed', async () => {
  const rig = await wsRig()
  const links = linksTo(() => rig.url)
  const [first, second] = await Promise.all([links.to(toNodeId(1)), links.to(toNodeId(1))])
  assert.equal(first, second)
  assert.equal(rig.listener.stats.connectionsAccepted, 1)
  await first[Symbol.asyncDispose]()
  const third = await links.to(toNodeId(1))
  assert.notEqual(third, first)
  assert.equal(third.isClosed, false)
  await links.close()
  assert.equal(third.isClosed, true)
  await until(() => rig.listener.stats.connections === 0)
  await rig.close()
})

test('an address that changes is followed', async () => {
  const rigs = await Promise.all([wsRig(), wsRig()])
  let at = 0
  const links = linksTo(() => rigs[at]!.url)
  const before = await links.to(toNodeId(1))
  at = 1
  const after = await links.to(toNodeId(1))
  assert.equal(after.url, rigs[1]!.url)
  await until(() => before.isClosed)
  await links.close()
  for (const rig of rigs) await rig.close()
})

test('another node, another cluster, no address, nobody: refused, and nothing stays open', async () => {
  const rig = await wsRig()
  const refused = { code: 'LEADER_NOT_AVAILABLE' }
  const links = linksTo(() => rig.url)
  await assert.rejects(links.to(toNodeId(2)), refused)
  const strange = linksTo(() => rig.url, 'another')
  await assert.rejects(strange.to(toNodeId(1)), refused)
  const nowhere = linksTo(() => null)
  await assert.rejects(nowhere.to(toNodeId(1)), refused)
  await until(() => rig.listener.stats.connections === 0)
  await rig.close()
  await assert.rejects(links.to(toNodeId(1)), { code: 'NETWORK_EXCEPTION' })
  await Promise.all([links, strange, nowhere].map(each => each.close()))
})
