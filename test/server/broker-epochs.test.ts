/** What a broker remembers of its registrations, and when it may say so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { BrokerEpochs, type BrokerEpochsOptions, hasUnflushed } from '../../src/server/broker-epochs.ts'
import { StorageError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { toBrokerEpoch, toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from '../metadata/cluster.ts'

const directory = 'data'

function onOneDisk() {
  const disk = memoryDisk()
  disk.makeDirectory(directory)
  const start = (options: Partial<BrokerEpochsOptions> = {}) =>
    new BrokerEpochs({
      disk,
      directory,
      logger: silentLogger,
      wasClean: false,
      hasUnflushed: () => false,
      hasFailed: () => false,
      ...options,
    })
  return { disk, start }
}

test('the epoch of the last registration is known to the next start, and to none before', async () => {
  const { start } = onOneDisk()
  const first = start()
  assert.equal(first.previous(), null)
  await first.remember(toBrokerEpoch(7))
  assert.equal(first.previous(), 7, 'a process that registers anew has its logs')
  const second = start()
  assert.equal(second.previous(), 7)
  await second.remember(toBrokerEpoch(19))
  assert.equal(start().previous(), 19)
})

test('an unclean stop leaves nothing to be said when a log was not flushed, then or now', async () => {
  const unflushed = { hasUnflushed: () => true }
  const { start } = onOneDisk()
  await start(unflushed).remember(toBrokerEpoch(7))
  assert.equal(start(unflushed).previous(), null)
  assert.equal(start().previous(), null, 'the policy was changed while it was away')
  assert.equal(start({ ...unflushed, wasClean: true }).previous(), 7)
  await start().remember(toBrokerEpoch(8))
  assert.equal(start(unflushed).previous(), null)
  assert.equal(start().previous(), 8)
})

test('a log that the disk failed may lack anything', async () => {
  const { start } = onOneDisk()
  let hasFailed = false
  await start().remember(toBrokerEpoch(7))
  const epochs = start({ wasClean: true, hasFailed: () => hasFailed })
  assert.equal(epochs.previous(), 7)
  hasFailed = true
  assert.equal(epochs.previous(), null)
})

test('a damaged file says nothing', async () => {
  const { disk, start } = onOneDisk()
  await start().remember(toBrokerEpoch(7))
  const file = disk.open(`${directory}/broker-epoch`, { create: false })
  file.write([new TextEncoder().encode('8')], 'version 0\nepoch '.length)
  file.close()
  assert.equal(start().previous(), null)
})

test('an epoch that cannot be written down leaves the older one, which is worth nothing', async () => {
  const { disk, start } = onOneDisk()
  await start().remember(toBrokerEpoch(7))
  const epochs = start()
  disk.rename = () => {
    throw new StorageError(directory, 'EIO')
  }
  await epochs.remember(toBrokerEpoch(8))
  assert.equal(epochs.previous(), 8, 'this process goes on')
  assert.equal(start().previous(), 7)
})

test('only partitions that are here count', () => {
  const it = new Cluster(1, 2)
  it.create('here', { assignments: [[1]] })
  it.create('there', { assignments: [[2]], configs: [{ key: 'flush.policy', value: 'os' }] })
  const none = new Map<string, string>()
  assert.equal(hasUnflushed(it.image, { nodeId: toNodeId(1), topicDefaults: none }), false)
  assert.equal(hasUnflushed(it.image, { nodeId: toNodeId(2), topicDefaults: none }), true)
  const osByDefault = new Map([['log.flush.policy', 'os']])
  assert.equal(hasUnflushed(it.image, { nodeId: toNodeId(1), topicDefaults: osByDefault }), true)
})
