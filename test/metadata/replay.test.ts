/** What replay refuses: a record that does not fit the image must stop the node, not bend the image. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyImage } from '../../src/metadata/cluster-image.ts'
import { type MetadataRecord, neverUnclean, type RecordOf } from '../../src/metadata/record-types.ts'
import { ImageBuilder, replay, replayAll, replayEntry } from '../../src/metadata/replay.ts'
import { toBrokerEpoch, toLeaderEpoch, toNodeId } from '../../src/util/numbers.ts'
import { Cluster } from './cluster.ts'
import { bootstrap, plain } from './history.ts'

const one = toNodeId(1)
const two = toNodeId(2)
const nine = toNodeId(9)

/** Brokers 1 and 2, topic `t` of one partition on both. */
function cluster(): Cluster {
  const it = new Cluster(1, 2)
  it.create('t.t', { assignments: [[1, 2]] })
  return it
}
const { image } = cluster()
const topicId = image.topics.byName.get('t.t')!.id
const { epoch } = image.brokers.get(one)!

const partition: RecordOf<'partition'> = {
  kind: 'partition',
  topicId,
  partition: 1,
  replicas: [one],
  isr: [one],
  elr: [],
  addingReplicas: [],
  removingReplicas: [],
  offlineReplicas: [],
  leaderId: one,
  leaderEpoch: toLeaderEpoch(0),
  partitionEpoch: 0,
  uncleanEpoch: neverUnclean,
}
const change: RecordOf<'partitionChange'> = {
  kind: 'partitionChange',
  topicId,
  partition: 0,
  leaderId: null,
  replicas: null,
  isr: null,
  elr: null,
  addingReplicas: null,
  removingReplicas: null,
  offlineReplicas: null,
  isUnclean: false,
}
const brokerChange = {
  kind: 'brokerChange',
  nodeId: one,
  epoch,
  isFenced: true,
  isDraining: null,
  isUnfit: null,
} as const
const topicConfig = { kind: 'config', resourceType: 'topic', resource: topicId, key: 'k', value: 'v' } as const
const session = {
  kind: 'session',
  clientId: 'c',
  requestId: 1,
  apiKey: 1,
  apiVersion: 0,
  response: new Uint8Array(1),
  evictedClientIds: [],
} as const
const [registered] = [...image.brokers.values()].map(broker => ({ kind: 'registerBroker', ...broker }) as const)

const refused: [record: MetadataRecord, label: RegExp][] = [
  [bootstrap, /bootstrapped once/],
  [{ kind: 'featureLevel', level: 2 }, /one this version knows/],
  [{ kind: 'featureLevel', level: 1 }, /level rises/],
  [registered!, /epoch rises/],
  [{ ...brokerChange, nodeId: nine }, /registered before/],
  [{ ...brokerChange, epoch: toBrokerEpoch(999) }, /current epoch/],
  [{ kind: 'unregisterBroker', nodeId: nine, epoch }, /registered before/],
  [{ kind: 'topic', topicId, name: 'new' }, /id is used once/],
  [{ kind: 'topic', topicId: 'new', name: 't.t' }, /name is taken once/],
  [{ kind: 'topic', topicId: 'new', name: 't_t' }, /differ in more/],
  [{ kind: 'removeTopic', topicId: 'none' }, /removed topic exists/],
  [{ ...topicConfig, resource: 'none' }, /changed topic exists/],
  [{ ...topicConfig, resourceType: 'broker', resource: '9' }, /configured broker is registered/],
  [{ ...partition, topicId: 'none' }, /changed topic exists/],
  [{ ...partition, partition: 2 }, /without gaps/],
  [{ ...partition, replicas: [] }, /has replicas/],
  [{ ...partition, replicas: [one, one] }, /replicas are distinct/],
  [{ ...partition, isr: [one, two] }, /isr is within replicas/],
  [{ ...partition, isr: [one, one] }, /isr members are distinct/],
  [{ ...partition, elr: [one] }, /apart from isr/],
  [{ ...partition, elr: [two] }, /elr is within replicas/],
  [{ ...partition, leaderId: two }, /leader is in sync/],
  [{ ...change, partition: 7 }, /changed partition exists/],
  [{ ...change, isr: [two] }, /leader is in sync/],
]
for (const [record, label] of refused) {
  test(`replay refuses ${record.kind} where ${label.source}`, () => {
    const before = plain(image)
    assert.throws(
      () => replayAll(image, [record]),
      error => error instanceof Error && error.name === 'AssertionError' && label.test(error.message),
    )
    assert.deepEqual(plain(image), before)
  })
}

test('a session only moves forward, and only known ones are forgotten', () => {
  const after = replayAll(image, [session])
  assert.throws(() => replayAll(after, [session]), /request id rises/)
  assert.throws(
    () => replayAll(after, [{ ...session, clientId: 'd', evictedClientIds: ['x'] }]),
    /only a known session/,
  )
})

test('records are replayed in order, none left out', () => {
  assert.throws(() => replay(emptyImage, bootstrap, 1), /in order/)
  assert.equal(replay(emptyImage, bootstrap, 0).lastOffset, 0)
})

test('an entry decided for another offset is passed over whole', () => {
  const builder = new ImageBuilder(image)
  assert.equal(replayEntry(builder, { baseOffset: image.lastOffset, records: [brokerChange] }), false)
  assert.equal(replayEntry(builder, { baseOffset: image.lastOffset + 2, records: [brokerChange] }), false)
  assert.equal(replayEntry(builder, { baseOffset: image.lastOffset + 1, records: [brokerChange, change] }), true)
  const next = builder.finish().image
  assert.equal(next.lastOffset, image.lastOffset + 2)
  assert.equal(next.brokers.get(one)!.isFenced, true)
})

test('a broker that is unregistered takes its configs along', () => {
  const configured = replayAll(image, [{ ...topicConfig, resourceType: 'broker', resource: '1' }])
  assert.equal(configured.brokerConfigs.size, 1)
  const builder = new ImageBuilder(configured)
  builder.replay({ kind: 'unregisterBroker', nodeId: one, epoch })
  const { image: after, delta } = builder.finish()
  assert.deepEqual([after.brokers.has(one), after.brokerConfigs.size], [false, 0])
  assert.deepEqual([[...delta.changedBrokers], [...delta.changedBrokerConfigs]], [[one], [one]])
})

test('a topic that came and went within a batch is in no delta', () => {
  const builder = new ImageBuilder(image)
  builder.replay({ kind: 'topic', topicId: 'brief', name: 'brief' })
  builder.replay({ ...partition, topicId: 'brief', partition: 0 })
  builder.replay({ kind: 'removeTopic', topicId: 'brief' })
  builder.replay({ kind: 'removeTopic', topicId })
  const { image: after, delta } = builder.finish()
  assert.deepEqual([[...delta.changedTopicIds], [...delta.deletedTopicIds]], [[], [topicId]])
  assert.deepEqual([after.topics.partitionCount, after.topics.byName.size, after.topics.byCollisionKey.size], [0, 0, 0])
  assert.throws(() => replayAll(after, [change]), /changed topic exists/)
})

test('the leader epoch rises with every leader named, also the old one; the partition epoch with everything', () => {
  const it = cluster()
  const names = (): number[] => {
    const { leaderEpoch, partitionEpoch } = it.partition('t.t')
    return [leaderEpoch, partitionEpoch]
  }
  const commit = (record: MetadataRecord): void => {
    it.commit({ records: [record], response: null })
  }
  commit({ ...change, isr: [one] })
  assert.deepEqual(names(), [0, 1])
  commit({ ...change, leaderId: one })
  assert.deepEqual(names(), [1, 2])
  commit({ ...change, leaderId: toNodeId(-1) })
  assert.deepEqual(names(), [2, 3])
  assert.equal(it.partition('t.t').leaderId, null)
})
