import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UnreachedPeer } from '../../src/quorum/network/types.ts'
import { QuorumWait } from '../../src/server/quorum-wait.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toNodeId } from '../../src/util/numbers.ts'

test('whoever is missing is named every few seconds, as long as it lasts', () => {
  const clock = new VirtualClock()
  const lines: unknown[] = []
  const logger = { ...silentLogger, warn: (fields: Record<string, unknown>) => void lines.push(fields) }
  let unreached: UnreachedPeer[] = [{ id: toNodeId(2), url: 'ws://b:1', reason: 'It has not answered yet.' }]
  const wait = new QuorumWait(clock, logger, () => unreached)
  const missing = 'Node 2 at ws://b:1 is not reached: It has not answered yet.'
  assert.deepEqual(wait.reasons(), ['This node knows of no leader of the controller quorum yet.', missing])
  clock.advance(5_000)
  unreached = []
  clock.advance(5_000)
  assert.deepEqual(lines, [
    { waitedSeconds: 5, unreached: [missing] },
    { waitedSeconds: 10, unreached: [] },
  ])
  assert.deepEqual(wait.reasons(), ['This node knows of no leader of the controller quorum yet.'])
  wait[Symbol.dispose]()
  assert.equal(clock.nextEventMs(), null)
})
