import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../src/log/disk.ts'
import type { LogManager, TopicPartition } from '../../src/log/types.ts'
import { memoryDisk } from '../../src/platform/memory-disk.ts'
import { setStraysAside } from '../../src/server/strays.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { FakeMetadata, other, partitionImage, self, topicImage } from '../broker/harness.ts'

function directoriesOf(disk: Disk, found: TopicPartition[]): LogManager {
  for (const { topic, partition } of found) {
    disk.makeDirectory(`data/${topic}-${partition}`)
    disk.open(`data/${topic}-${partition}/records`, { create: true })
  }
  return { directory: 'data', found: () => found } as Partial<LogManager> as LogManager
}

test('what no topic owns is renamed, kept whole and said; what is owned stays', async () => {
  const metadata = new FakeMetadata()
  metadata.set(topicImage('owned'))
  metadata.set(topicImage('recreated', { id: 'id-2' }))
  metadata.set(
    topicImage('moved', { partitions: [partitionImage({ replicas: [other], isr: [other], leaderId: other })] }),
  )
  const disk = memoryDisk()
  disk.makeDirectory('data')
  const found = ['owned', 'recreated', 'moved', 'deleted'].map(topic => ({
    topic,
    topicId: `id-${topic}`,
    partition: 0,
  }))
  const logs = directoriesOf(disk, [...found, { topic: 'owned', topicId: 'id-owned', partition: 7 }])
  const lines: string[] = []
  const logger = { ...silentLogger, warn: (fields: Record<string, unknown>) => lines.push(String(fields.path)) }
  const setAside = await setStraysAside(metadata.image(), { nodeId: self, logs, disk, logger })
  assert.deepEqual(disk.list('data'), [
    'deleted-0.id-deleted-stray',
    'moved-0.id-moved-stray',
    'owned-0',
    'owned-7.id-owned-stray',
    'recreated-0.id-recreated-stray',
  ])
  assert.deepEqual(lines, setAside)
  for (const path of setAside) assert.ok(disk.exists(`${path}/records`))
})

test('a name that is taken already is not overwritten, and long topic names still fit', async () => {
  const topic = 'x'.repeat(249)
  const disk = memoryDisk()
  disk.makeDirectory('data')
  for (let round = 0; round < 2; round++) {
    const logs = directoriesOf(disk, [{ topic, topicId: 'a'.repeat(22), partition: 99_999 }])
    await setStraysAside(new FakeMetadata().image(), { nodeId: self, logs, disk, logger: silentLogger })
  }
  const names = disk.list('data')
  assert.equal(names.length, 2)
  for (const name of names) assert.ok(name.length <= 255)
})
