/** What a leader is told of the brokers around it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerEpochsOf } from '../../src/broker/partition-terms.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from '../metadata/cluster.ts'

test('who is fenced or unfit may not get in sync; a leader that is unfit can still say who has caught up', () => {
  const it = new Cluster(1, 2, 3, 4)
  it.heard(1, true)
  it.heard(2, true)
  it.fence(3)
  const known = (id: number) => [...brokerEpochsOf(it.image, toNodeId(id)).keys()]
  assert.deepEqual(known(1).sort(), [1, 4])
  assert.deepEqual(known(4), [4])
  assert.equal(brokerEpochsOf(it.image, toNodeId(1)).get(toNodeId(1)), it.broker(1).epoch)
})
