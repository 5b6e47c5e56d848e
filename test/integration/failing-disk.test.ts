/** A disk that really fails under a real process (FAULTS row 10): it ends at once, and promised nothing it cannot keep. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Producer } from '../../src/index.ts'
import { storageShim } from '../raft-storage/run-child.ts'
import { readTopic, startNodeProcess, temporaryDirectory } from './support.ts'

const shim = storageShim()
const skip = 'missing' in shim ? shim.missing : false

for (const [what, suffix] of [
  ['a segment', '.log'],
  ['the metadata', '/data.mdb'],
] as const) {
  test(`EIO on fdatasync of ${what} ends the process; after a restart every acknowledged record is there`, {
    skip,
  }, async t => {
    const dataDir = temporaryDirectory(t)
    const preload = { LD_PRELOAD: 'path' in shim ? shim.path : '', STORAGE_SHIM_SUFFIX: suffix }
    const node = await startNodeProcess(t, { dataDir }, preload)
    const producer = new Producer({ bootstrap: node.url, deliveryTimeoutMs: 2_000, requestTimeoutMs: 2_000 })
    const acknowledged = new Map<number, string>()
    const send = async (topic: string, value: string): Promise<void> => {
      const [at] = await producer.send({ topic, messages: [{ key: value, value }] })
      if (topic === 't') acknowledged.set(at!.offset, value)
    }
    for (let i = 0; i < 20; i++) await send('t', `before ${i}`)
    const exit = once(node.child, 'exit')
    const ordered = once(node.child, 'message')
    node.child.send({ STORAGE_SHIM_FAULT: 'fdatasync:EIO' })
    await ordered
    // A new topic needs the metadata, a record the segment: whichever fails, neither is acknowledged.
    await assert.rejects(send(suffix === '.log' ? 't' : 'new', 'after'))
    assert.deepEqual(await exit, [1, null])
    await producer.close()
    const again = await startNodeProcess(t, { dataDir })
    const found = new Map((await readTopic(again.url, 't')).map(({ offset, key }) => [offset, key]))
    for (const [offset, value] of acknowledged) assert.equal(found.get(offset), value)
    assert.ok(found.size <= acknowledged.size + 1)
  })
}
