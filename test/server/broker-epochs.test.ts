/** What a broker remembers of its registrations, and when it may say so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileName } from '../../src/log/paths.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { BrokerEpochs, type BrokerEpochsOptions, hasUnflushed, keepCleanStop } from '../../src/server/broker-epochs.ts'
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
      incarnationId: 'this',
      registered: null,
      hasUnflushed: () => false,
      hasFailed: () => false,
      ...options,
    })
  /** A start up to where the logs are opened, after a stop that was clean or not. */
  const openLogs = async (wasClean: boolean): Promise<void> => {
    const marker = `${directory}/${fileName.cleanShutdown}`
    if (wasClean) disk.open(marker, { create: true }).close()
    await keepCleanStop({ disk, directory, logger: silentLogger })
    if (wasClean) await disk.removeFile(marker)
  }
  return { disk, start, openLogs }
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
  const { start, openLogs } = onOneDisk()
  await start(unflushed).remember(toBrokerEpoch(7))
  await openLogs(false)
  assert.equal(start(unflushed).previous(), null)
  assert.equal(start().previous(), null, 'the policy was changed while it was away')
  await openLogs(true)
  assert.equal(start(unflushed).previous(), 7)
  await start().remember(toBrokerEpoch(8))
  assert.equal(start(unflushed).previous(), null)
  assert.equal(start().previous(), 8)
})

test('what a clean stop left is there until something registers, however often a start is cut short', async () => {
  const unflushed = { hasUnflushed: () => true }
  const { start, openLogs } = onOneDisk()
  await start(unflushed).remember(toBrokerEpoch(7))
  await openLogs(true)
  // Killed while it waited for a controller.
  await openLogs(false)
  await start({ ...unflushed, incarnationId: 'second' }).announce()
  // Killed before its registration had arrived.
  await openLogs(false)
  const known = { epoch: toBrokerEpoch(7), incarnationId: 'first' }
  assert.equal(start({ ...unflushed, registered: known }).previous(), 7)
})

test('who registered and did not live to know is known by its incarnation', async () => {
  const { start, openLogs } = onOneDisk()
  await start().remember(toBrokerEpoch(7))
  await start({ incarnationId: 'second' }).announce()
  const registered = { epoch: toBrokerEpoch(9), incarnationId: 'second' }
  assert.equal(start({ registered: { ...registered, incarnationId: 'on another disk' } }).previous(), 7)
  const third = start({ registered, incarnationId: 'third' })
  assert.equal(third.previous(), 9)
  await third.announce()
  assert.equal(start({ registered }).previous(), 9, 'and known still when the next one dies before it has registered')

  // From its registration on it may have taken what only the page cache had.
  const unflushed = { hasUnflushed: () => true }
  await start({ ...unflushed, registered, incarnationId: 'fourth' }).announce()
  const after = { epoch: toBrokerEpoch(11), incarnationId: 'fourth' }
  assert.equal(start({ ...unflushed, registered: after }).previous(), null)
  assert.equal(start({ registered: after }).previous(), null, 'the policy was changed while it was away')
  await openLogs(true)
  assert.equal(start({ ...unflushed, registered: after }).previous(), 11)
})

test('a new broker that died as it registered is known, too', async () => {
  const { start } = onOneDisk()
  await start({ incarnationId: 'first' }).announce()
  assert.equal(start({ registered: { epoch: toBrokerEpoch(3), incarnationId: 'first' } }).previous(), 3)
  assert.equal(start().previous(), null)
})

test('a log that the disk failed may lack anything', async () => {
  const { start } = onOneDisk()
  let hasFailed = false
  await start().remember(toBrokerEpoch(7))
  const epochs = start({ hasFailed: () => hasFailed })
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
