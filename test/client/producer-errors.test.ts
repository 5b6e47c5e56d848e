/** What the producer does about each refusal that may pass, and how long it takes over it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorName, errorTable } from '../../src/protocol/errors.ts'
import { startFake, text } from './harness.ts'

const retriable = (Object.keys(errorTable) as ErrorName[]).filter(name => errorTable[name].retriable)

/** A producer that has sent one record, and what sends the next and says how long it took. */
async function warm(nodes: number) {
  const fake = startFake({ nodes })
  const { clock, cluster } = fake
  cluster.createTopic('t', 1)
  const p = fake.producer()
  await clock.run(p.send({ topic: 't', messages: [{ value: 'first' }] }))
  const timeNext = async (): Promise<number> => {
    const startMs = clock.nowMs()
    await clock.run(p.send({ topic: 't', messages: [{ value: 'next' }] }))
    return clock.nowMs() - startMs
  }
  const refreshes = (): number => cluster.requests.filter(({ api }) => api === 'Metadata').length
  return { ...fake, p, timeNext, refreshes }
}

test('producer errors: what may pass is sent again, once, after a look at who leads where that may help', async () => {
  assert.ok(retriable.includes('DISK_FULL') && retriable.includes('KAFKA_STORAGE_ERROR') && retriable.length > 15)
  for (const code of retriable) {
    const { clock, cluster, p, timeNext, refreshes } = await warm(1)
    const before = refreshes()
    let refusals = 0
    cluster.partitionFault = () => (refusals++ === 0 ? code : null)
    const tookMs = await timeNext()
    assert.ok(tookMs < 150, `${code}: ${tookMs} ms`)
    const mayHaveMoved =
      errorTable[code].refreshMetadata || code === 'NETWORK_EXCEPTION' || code === 'REQUEST_TIMED_OUT'
    assert.equal(refreshes() > before, mayHaveMoved, code)
    assert.deepEqual(
      cluster.partition('t', 0).records.map(record => text(record.value)),
      ['first', 'next'],
    )
    await clock.run(p.close())
  }
})

test('producer errors: a leader that moved costs a refresh and no backoff', async () => {
  for (const hasBroken of [false, true]) {
    const { clock, cluster, p, timeNext } = await warm(3)
    cluster.moveLeader('t', 0, 2)
    if (hasBroken) cluster.kill(1)
    const tookMs = await timeNext()
    assert.ok(tookMs < 40, `${tookMs} ms`)
    await clock.run(p.close())
  }
})

test('producer errors: a node that has yet to hear that it leads is asked again in a moment', async () => {
  const { clock, cluster, p, timeNext } = await warm(1)
  let refusals = 0
  cluster.partitionFault = () => (refusals++ === 0 ? 'UNKNOWN_LEADER_EPOCH' : null)
  const tookMs = await timeNext()
  assert.ok(tookMs < 50, `${tookMs} ms`)
  await clock.run(p.close())
})

test('producer errors: a disk that stays full delays, until another node leads', async () => {
  const { clock, cluster, p } = await warm(2)
  cluster.partitionFault = (_topic, _partition, _records, nodeId) => (nodeId === 1 ? 'DISK_FULL' : null)
  const sent = p.send({ topic: 't', messages: [{ value: 'next' }] })
  await clock.advance(30_000)
  const movedMs = clock.nowMs()
  cluster.moveLeader('t', 0, 2)
  await clock.run(sent)
  // By then the view is fetched every second, give or take a fifth.
  assert.ok(clock.nowMs() - movedMs < 1_300, `${clock.nowMs() - movedMs} ms`)
  assert.ok(cluster.requests.length < 150, 'not in a hurry')
  await clock.run(p.close())
})

test('producer errors: a leader that comes back behind a connection which has not noticed', async () => {
  const { clock, cluster, p } = await warm(3)
  cluster.frozenNodes.add(1)
  const sent = p.send({ topic: 't', messages: [{ value: 'next' }] })
  await clock.advance(9_000)
  // The machine was switched off and on: nobody holds what was sent, and nobody has closed the connection.
  cluster.frozenNodes.delete(1)
  cluster.moveLeader('t', 0, 1)
  const electedMs = clock.nowMs()
  await clock.run(sent)
  assert.ok(clock.nowMs() - electedMs < 1_000, `${clock.nowMs() - electedMs} ms`)
  await clock.run(p.close())
})

test('producer errors: a slow answer alone makes nothing be sent twice', async () => {
  const { clock, cluster, p } = await warm(3)
  cluster.frozenNodes.add(1)
  const sent = Promise.all(['a', 'b'].map(value => p.send({ topic: 't', messages: [{ value }] })))
  await clock.advance(20_000)
  cluster.thaw(1)
  await clock.run(sent)
  const values = cluster.partition('t', 0).records.map(record => text(record.value))
  assert.deepEqual(values, ['first', 'a', 'b'])
  assert.equal(p.stats().batchesRetried, 0)
  await clock.run(p.close())
})
