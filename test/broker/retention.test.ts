import assert from 'node:assert/strict'
import { test } from 'node:test'
import { produce } from '../../src/protocol/apis/index.ts'
import { minuteMs } from '../../src/util/units.ts'
import { batchOf, openHarness, produceRequest, topicImage, turn } from './harness.ts'

const configs = new Map([['retention.ms', String(10 * minuteMs)]])

test('deletes what is old, tick after tick', async () => {
  const h = await openHarness({ topics: [topicImage('t', { configs })], isInstant: true })
  const records = () => batchOf(['v'], h.clock.wallClockMs())
  await h.call(produce, produceRequest({ partitions: [{ records: records() }] }))
  for (let i = 0; i < 2; i++) {
    h.clock.advance(5 * minuteMs)
    await turn()
    assert.equal(h.log().logStartOffset, 0)
  }
  await h.call(produce, produceRequest({ partitions: [{ records: records() }] }))
  h.clock.advance(5 * minuteMs)
  await turn()
  assert.equal(h.log().logStartOffset, 1)
  assert.equal(h.broker.stats.segmentsDeleted, 1)
})
