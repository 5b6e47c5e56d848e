/** The recorder of histories on a real node: what it writes down is what happened, and is judged the same from its file. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Consumer, Producer } from '../../src/index.ts'
import { accountOf } from '../../src/simulation/records/check.ts'
import { type Load, RecordsRecorder, verdictOfFiles } from './records-recorder.ts'
import { afterTest, clientsOf, startNode, startNodeProcess, temporaryDirectory } from './support.ts'

const topic = { topic: 't', partitions: 3 }
const strict = { isComplete: true, isIdempotent: false, isOrderedInFlight: true, isDense: true }

test('producers and consumers on a node that is killed and started again', async t => {
  const directory = temporaryDirectory(t)
  const file = path.join(directory, 'history.jsonl')
  const dataDir = path.join(directory, 'data')
  const recorder = new RecordsRecorder({ file })
  let node = await startNodeProcess(t, { dataDir })
  const port = Number(new URL(node.url).port)
  await clientsOf(t, node).admin.createTopics({ topics: [{ name: 't', numPartitions: 3 }] })
  const producer = new Producer({ bootstrap: node.url, deliveryTimeoutMs: 2_000 })
  afterTest(t, () => producer.close())
  const loads = [
    recorder.produce(producer, topic),
    recorder.produce(producer, { ...topic, valuesPerSend: 3, valueBytes: 200, inFlight: 2 }),
    recorder.consume(new Consumer({ bootstrap: node.url, topics: ['t'], from: 'start' })),
  ]
  for (let round = 0; round < 2; round++) {
    await progress(loads)
    await node.kill('SIGKILL')
    node = await startNodeProcess(t, { dataDir, port })
  }
  await progress(loads)
  for (const load of loads) await load.stop()
  await recorder.readToEnd(node.url, ['t'])
  recorder.close()
  recorder.mustBeValid(t)
  const { counts } = recorder.verdict()
  assert.ok(counts.acknowledged >= 100 && counts.read > counts.acknowledged)
  assert.deepEqual(verdictOfFiles([file], strict), recorder.verdict(strict))
})

test('what is refused for what it is has failed, and what is lost is told', async t => {
  const recorder = new RecordsRecorder()
  const node = await startNode(t, { dataDir: temporaryDirectory(t) })
  const { admin, producer } = clientsOf(t, node)
  await admin.createTopics({ topics: [{ name: 't', numPartitions: 3, configs: { 'max.message.bytes': '1000' } }] })
  assert.equal(await recorder.send(producer, 'p', { ...topic, valueBytes: 2_000 }), false)
  for (let i = 0; i < 20; i++) assert.equal(await recorder.send(producer, 'p', topic), true)
  const { counts, anomalies } = recorder.verdict()
  assert.deepEqual({ failed: counts.failed, acknowledged: counts.acknowledged }, { failed: 1, acknowledged: 20 })
  assert.deepEqual(
    anomalies.map(({ name, count }) => [name, count]),
    [['unseen', 20]],
    accountOf(recorder.verdict()),
  )
  await recorder.readToEnd(node.url, ['t'])
  recorder.mustBeValid(t)
})

/** Until every load has done something more. */
async function progress(loads: readonly Load[]): Promise<void> {
  const goals = loads.map(({ done }) => done + 30)
  while (loads.some(({ done }, i) => done < goals[i]!)) await pause(10)
}
