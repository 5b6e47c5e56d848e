/** A process that may open few files (FAULTS row 29), and somebody who has more connections than that. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Admin, Producer } from '../../src/index.ts'
import { afterTest, readTopic, temporaryDirectory } from './support.ts'

const filesMax = 160
const partitionCount = 40
const skip = process.platform === 'linux' ? false : 'needs ulimit and /proc'

test('connections do not take the files that the log needs', { skip, timeout: 120_000 }, async t => {
  const options = { dataDir: temporaryDirectory(t), config: { 'log.segment.bytes': 4_096 } }
  const command = `ulimit -n ${filesMax} && exec "$@"`
  const node = [process.execPath, '--import', 'tsx', 'test/integration/node-process.ts', JSON.stringify(options)]
  const child = spawn('sh', ['-c', command, 'sh', ...node], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  afterTest(t, () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    return once(child, 'exit')
  })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  const [admin, producer] = [new Admin({ bootstrap: url }), new Producer({ bootstrap: url, batchBytes: 1_024 })]
  afterTest(t, () => Promise.all([admin.close(), producer.close()]))
  await admin.createTopics({ topics: [{ name: 't', numPartitions: partitionCount }] })
  const send = (value: string) =>
    Promise.all(
      Array.from({ length: partitionCount }, (_, partition) =>
        producer.send({ topic: 't', messages: [{ partition, value }] }),
      ),
    )
  await send('first')
  const idle = Array.from({ length: 2 * filesMax }, () => connect(Number(new URL(url).port), '127.0.0.1'))
  for (const socket of idle) socket.on('error', () => {})
  const leave = (): void => {
    for (const socket of idle) socket.destroy()
  }
  afterTest(t, leave)
  await Promise.race(idle.map(socket => once(socket, 'close')))
  for (let i = 0; i < 10; i++) await send('x'.repeat(1_000))
  leave()
  assert.equal((await readTopic(url, 't')).length, 11 * partitionCount)
})
