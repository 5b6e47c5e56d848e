/** Tables of what the topic requests are answered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideAlterConfigs } from '../../src/metadata/alter-configs.ts'
import { decideCreatePartitions } from '../../src/metadata/create-partitions.ts'
import { decideCreateTopics } from '../../src/metadata/create-topics.ts'
import type { MetadataLimits } from '../../src/metadata/decision.ts'
import { decideDeleteTopics } from '../../src/metadata/delete-topics.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { soundDecisionRules } from '../../src/metadata/rules.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { uuidFrom } from '../../src/util/uuid.ts'
import { Cluster } from './cluster.ts'
import { type AlterConfigsRequest, createRequest, type Topic, topicFacts, topicRequest } from './history.ts'

test('more replicas than there may be are refused, in whatever way they are asked for', () => {
  const { image } = new Cluster(1, 2)
  const facts = topicFacts(1, { replicationFactorMax: 1 })
  const errorOf = (topic: Topic) => {
    const { errorCode, errorMessage } = decideCreateTopics(image, createRequest(topic), facts).response.topics[0]!
    return [errorName(errorCode), errorMessage]
  }
  const refusal = ['INVALID_REPLICATION_FACTOR', 'A partition may have 1 replicas at most.']
  assert.deepEqual(errorOf(topicRequest('t', { replicationFactor: 2 })), refusal)
  assert.deepEqual(errorOf(topicRequest('t', { assignments: [[1, 2]] })), refusal)
  assert.deepEqual(errorOf(topicRequest('t', { replicationFactor: 1 })), [null, null])
  assert.deepEqual(errorOf(topicRequest('t', { assignments: [[2], [1]] })), [null, null])
})

test('when brokers that are there cannot be used, the refusal says why', () => {
  const it = new Cluster(1, 2, 3, 4)
  const refusal = (): string | null =>
    decideCreateTopics(it.image, createRequest(topicRequest('t', { replicationFactor: 5 })), topicFacts(1)).response
      .topics[0]!.errorMessage
  assert.equal(refusal(), 'Replication factor 5, but only 4 brokers are available.')
  it.heard(1, true)
  it.fence(2)
  it.drain(3)
  const reasons = '1 not heard of, 1 with a disk that is full, failed or stands still, 1 draining'
  assert.equal(refusal(), `Replication factor 5, but only 1 broker is available (${reasons}).`)
})

/** Brokers 1 to 3, of which 3 is fenced; topic `taken.name` with 2 partitions. */
function cluster(): Cluster {
  const it = new Cluster(1, 2, 3)
  it.fence(3)
  it.create('taken.name', { replicationFactor: 2 })
  return it
}

const long = 'x'.repeat(249)
const createCases: [what: string, topic: Topic, expected: string | null, message?: RegExp][] = [
  ['the defaults', topicRequest('new'), null],
  ['the longest name', topicRequest(long), null],
  ['every legal character', topicRequest('aZ09.-'), null],
  ['an empty name', topicRequest(''), 'INVALID_TOPIC_EXCEPTION', /empty/],
  ['"."', topicRequest('.'), 'INVALID_TOPIC_EXCEPTION'],
  ['".."', topicRequest('..'), 'INVALID_TOPIC_EXCEPTION'],
  ['a name too long', topicRequest(`${long}x`), 'INVALID_TOPIC_EXCEPTION', /249/],
  ['a space', topicRequest('a b'), 'INVALID_TOPIC_EXCEPTION', /characters/],
  ['a slash', topicRequest('a/b'), 'INVALID_TOPIC_EXCEPTION'],
  ['a letter beyond ASCII', topicRequest('é'), 'INVALID_TOPIC_EXCEPTION'],
  ['a line break at the end', topicRequest('a\n'), 'INVALID_TOPIC_EXCEPTION'],
  ['a name that is taken', topicRequest('taken.name'), 'TOPIC_ALREADY_EXISTS'],
  ['a name that collides', topicRequest('taken_name'), 'INVALID_TOPIC_EXCEPTION', /collides with taken\.name/],
  ['no partitions', topicRequest('new', { numPartitions: 0 }), 'INVALID_PARTITIONS'],
  ['fewer than none', topicRequest('new', { numPartitions: -2 }), 'INVALID_PARTITIONS'],
  ['too many for a request', topicRequest('new', { numPartitions: 21 }), 'POLICY_VIOLATION', /20/],
  ['absurdly many', topicRequest('new', { numPartitions: 2 ** 31 - 1 }), 'POLICY_VIOLATION'],
  ['too many for the cluster', topicRequest('new', { numPartitions: 19 }), 'POLICY_VIOLATION', /cluster/],
  ['no replicas', topicRequest('new', { replicationFactor: 0 }), 'INVALID_REPLICATION_FACTOR'],
  ['as many replicas as brokers', topicRequest('new', { replicationFactor: 2 }), null],
  ['more than are available', topicRequest('new', { replicationFactor: 3 }), 'INVALID_REPLICATION_FACTOR', /2 brokers/],
  ['more than there may be', topicRequest('new', { replicationFactor: 200 }), 'INVALID_REPLICATION_FACTOR', /128/],
  ['an unknown config', topicRequest('new', { configs: [{ key: 'no', value: '1' }] }), 'INVALID_CONFIG', /no/],
  ['a bad value', topicRequest('new', { configs: [{ key: 'retention.ms', value: 'x' }] }), 'INVALID_CONFIG'],
  [
    'a config twice',
    topicRequest('new', {
      configs: [
        { key: 'retention.ms', value: '1' },
        { key: 'retention.ms', value: '1' },
      ],
    }),
    'INVALID_CONFIG',
    /more than once/,
  ],
  [
    'an assignment',
    topicRequest('new', {
      assignments: [
        [1, 2],
        [2, 3],
      ],
    }),
    null,
  ],
  ['assignment and count', topicRequest('new', { assignments: [[1]], numPartitions: 1 }), 'INVALID_REQUEST'],
  ['assignment and factor', topicRequest('new', { assignments: [[1]], replicationFactor: 1 }), 'INVALID_REQUEST'],
  ['an empty assignment', topicRequest('new', { assignments: [] }), 'INVALID_REPLICA_ASSIGNMENT'],
  ['a partition without replicas', topicRequest('new', { assignments: [[1], []] }), 'INVALID_REPLICA_ASSIGNMENT'],
  ['uneven assignments', topicRequest('new', { assignments: [[1], [1, 2]] }), 'INVALID_REPLICA_ASSIGNMENT'],
  ['a replica twice', topicRequest('new', { assignments: [[1, 1]] }), 'INVALID_REPLICA_ASSIGNMENT', /twice/],
  ['an unknown broker', topicRequest('new', { assignments: [[1, 9]] }), 'INVALID_REPLICA_ASSIGNMENT', /9/],
  ['only fenced brokers', topicRequest('new', { assignments: [[3]] }), 'INVALID_REPLICA_ASSIGNMENT', /available/],
]
const tight: Partial<MetadataLimits> = { requestPartitionsMax: 20, clusterPartitionsMax: 20 }

for (const [what, topic, expected, message] of createCases) {
  test(`create with ${what}: ${expected ?? 'done'}`, () => {
    const { image } = cluster()
    const { records, response } = decideCreateTopics(image, createRequest(topic), topicFacts(5, tight))
    const [answer] = response.topics
    assert.equal(errorName(answer!.errorCode), expected)
    assert.match(answer!.errorMessage ?? '', message ?? /^/)
    assert.equal(records.length > 0, expected === null)
    assert.equal(answer!.topicId === null, expected !== null)
    const created = replayAll(image, records).topics.byName.get(topic.name)
    if (expected === null) assert.equal(created?.partitions.length, answer!.numPartitions)
  })
}

test('topics of one request stand or fall on their own, and see each other', () => {
  const { image } = cluster()
  const request = createRequest(
    ...['twice', 'fine', 'twice', 'x.y', 'x_y', 'taken.name'].map(name => topicRequest(name, { numPartitions: 1 })),
  )
  const { records, response } = decideCreateTopics(image, request, topicFacts(5))
  assert.deepEqual(
    response.topics.map(topic => [topic.name, errorName(topic.errorCode)]),
    [
      ['twice', 'INVALID_REQUEST'],
      ['fine', null],
      ['twice', 'INVALID_REQUEST'],
      ['x.y', null],
      ['x_y', 'INVALID_TOPIC_EXCEPTION'],
      ['taken.name', 'TOPIC_ALREADY_EXISTS'],
    ],
  )
  assert.deepEqual([...replayAll(image, records).topics.byName.keys()].sort(), ['fine', 'taken.name', 'x.y'])
})

test('the limit of a request counts all its topics; their leaders are spread over the request', () => {
  const { image } = cluster()
  const request = createRequest(...['a', 'b', 'c'].map(name => topicRequest(name, { numPartitions: 7 })))
  const limits = { requestPartitionsMax: 20, clusterPartitionsMax: 100 }
  const { records, response } = decideCreateTopics(image, request, topicFacts(5, limits))
  assert.deepEqual(
    response.topics.map(topic => errorName(topic.errorCode)),
    [null, null, 'POLICY_VIOLATION'],
  )
  const leaders = records.flatMap(record => (record.kind === 'partition' ? [record.leaderId as number] : []))
  assert.equal(leaders.filter(id => id === 1).length, 7)
})

test('validateOnly answers the same and leaves no record', () => {
  const { image } = cluster()
  const request = { ...createRequest(topicRequest('new', { numPartitions: 3 })), validateOnly: true }
  const { records, response } = decideCreateTopics(image, request, topicFacts(5))
  assert.deepEqual(records, [])
  assert.deepEqual(response.topics, [
    { name: 'new', topicId: null, errorCode: 0, errorMessage: null, numPartitions: 3, replicationFactor: 1 },
  ])
})

test('a manual assignment is kept; only available brokers begin in sync, and the first of them leads', () => {
  const it = cluster()
  it.create('manual', {
    assignments: [
      [3, 2],
      [1, 3],
    ],
    configs: [{ key: 'min.insync.replicas', value: '2' }],
  })
  assert.equal(it.standing('manual', 0), '3,2|2||2@0')
  assert.equal(it.standing('manual', 1), '1,3|1||1@0')
  assert.deepEqual([...it.image.topics.byName.get('manual')!.configs], [['min.insync.replicas', '2']])
})

test('delete: by name, guarded by id, each on its own', () => {
  const it = cluster()
  it.create('b')
  it.create('twice')
  const id = it.image.topics.byName.get('b')!.id
  const topics = [
    { name: 'taken.name', topicId: null },
    { name: 'b', topicId: uuidFrom(new Uint8Array(16)) },
    { name: 'twice', topicId: null },
    { name: 'twice', topicId: null },
    { name: 'nothing', topicId: null },
  ]
  const response = it.commit(decideDeleteTopics(it.image, { session: null, timeoutMs: 0, topics }))
  assert.deepEqual(
    response.topics.map(topic => errorName(topic.errorCode)),
    [null, 'UNKNOWN_TOPIC_ID', 'INVALID_REQUEST', 'INVALID_REQUEST', 'UNKNOWN_TOPIC_OR_PARTITION'],
  )
  const again = { session: null, timeoutMs: 0, topics: [{ name: 'b', topicId: id }] }
  assert.equal(it.commit(decideDeleteTopics(it.image, again)).topics[0]!.errorCode, 0)
  assert.deepEqual([...it.image.topics.byName.keys()], ['twice'])
  assert.equal(it.image.topics.partitionCount, 2)
  // The name and what collides with it are free again, under a new id.
  it.create('taken_name')
})

const growCases: [what: string, count: number, assignments: number[][] | null, expected: string | null][] = [
  ['one more', 3, null, null],
  ['many more', 12, null, null],
  ['as many', 2, null, 'INVALID_PARTITIONS'],
  ['fewer', 1, null, 'INVALID_PARTITIONS'],
  ['too many', 50, null, 'POLICY_VIOLATION'],
  ['an assignment', 3, [[2, 1]], null],
  ['an assignment for too few', 4, [[2, 1]], 'INVALID_REPLICA_ASSIGNMENT'],
  ['an assignment of another factor', 3, [[2]], 'INVALID_REPLICA_ASSIGNMENT'],
  ['an assignment to nobody known', 3, [[2, 7]], 'INVALID_REPLICA_ASSIGNMENT'],
]
for (const [what, count, assignments, expected] of growCases) {
  test(`add partitions, ${what}: ${expected ?? 'done'}`, () => {
    const it = cluster()
    const topics = [{ name: 'taken.name', count, assignments }]
    const request = { session: null, timeoutMs: 0, validateOnly: false, topics }
    const response = it.commit(decideCreatePartitions(it.image, request, topicFacts(5, { requestPartitionsMax: 20 })))
    assert.equal(errorName(response.topics[0]!.errorCode), expected)
    const { partitions } = it.image.topics.byName.get('taken.name')!
    assert.equal(partitions.length, expected === null ? count : 2)
    if (assignments === null) {
      const led = partitions.filter(partition => partition.leaderId === 1).length
      assert(Math.abs(2 * led - partitions.length) <= 1, 'the new partitions go on with the spread')
    }
  })
}

test('add partitions: unknown and repeated topics, validateOnly, and no broker for a replica', () => {
  const it = cluster()
  const grow = (topics: { name: string; count: number; assignments: null }[], validateOnly = false) =>
    it
      .commit(decideCreatePartitions(it.image, { session: null, timeoutMs: 0, validateOnly, topics }, topicFacts(5)))
      .topics.map(topic => errorName(topic.errorCode))
  const taken = { name: 'taken.name', count: 3, assignments: null }
  assert.deepEqual(grow([taken, taken, { ...taken, name: 'no' }]), [
    'INVALID_REQUEST',
    'INVALID_REQUEST',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ])
  assert.deepEqual(grow([taken], true), [null])
  assert.equal(it.image.topics.partitionCount, 2)
  it.fence(2)
  assert.deepEqual(grow([taken]), ['INVALID_REPLICATION_FACTOR'])
})

type Resource = AlterConfigsRequest['resources'][number]
const set = (key: string, value: string | null) => ({ op: 'set' as const, key, value })
const unset = (key: string) => ({ op: 'delete' as const, key, value: null })
const topicResource = (name: string, ...changes: Resource['changes']): Resource => ({ type: 'topic', name, changes })
const brokerResource = (name: string, ...changes: Resource['changes']): Resource => ({ type: 'broker', name, changes })

const alterCases: [what: string, resource: Resource, expected: string | null][] = [
  ['a topic config', topicResource('taken.name', set('retention.ms', '5')), null],
  ['nothing', topicResource('taken.name'), null],
  ['an unknown topic', topicResource('no', set('retention.ms', '5')), 'UNKNOWN_TOPIC_OR_PARTITION'],
  ['an unknown key', topicResource('taken.name', set('no', '5')), 'INVALID_CONFIG'],
  ['an unknown key away', topicResource('taken.name', unset('no')), 'INVALID_CONFIG'],
  ['a bad value', topicResource('taken.name', set('retention.ms', 'soon')), 'INVALID_CONFIG'],
  ['no value', topicResource('taken.name', set('retention.ms', null)), 'INVALID_REQUEST'],
  ['a key twice', topicResource('taken.name', set('retention.ms', '5'), unset('retention.ms')), 'INVALID_REQUEST'],
  ['one good, one bad', topicResource('taken.name', set('retention.ms', '5'), set('no', '1')), 'INVALID_CONFIG'],
  ['a broker config', brokerResource('2', set('log.retention.ms', '5')), null],
  ['a broker config that is fixed', brokerResource('2', set('node.id', '5')), 'INVALID_CONFIG'],
  ['a broker nobody knows', brokerResource('9', set('log.retention.ms', '5')), 'BROKER_ID_NOT_REGISTERED'],
  ['a broker that is no number', brokerResource('two', set('log.retention.ms', '5')), 'INVALID_REQUEST'],
  ['a broker by another spelling', brokerResource('02', set('log.retention.ms', '5')), 'INVALID_REQUEST'],
]
const configFacts = {
  minInsyncReplicas: 1,
  isUncleanAllowed: false,
  rules: soundDecisionRules,
  validateBrokerConfig: (key: string) =>
    key === 'log.retention.ms' ? null : ({ error: 'INVALID_CONFIG', message: `${key} is fixed.` } as const),
}
const alter = (it: Cluster, resources: Resource[], validateOnly = false) =>
  it
    .commit(decideAlterConfigs(it.image, { session: null, validateOnly, resources }, configFacts))
    .resources.map(resource => errorName(resource.errorCode))

for (const [what, resource, expected] of alterCases) {
  test(`alter configs, ${what}: ${expected ?? 'done'}`, () => {
    const it = cluster()
    const before = it.image.lastOffset
    assert.deepEqual(alter(it, [resource]), [expected])
    assert.equal(it.image.lastOffset > before, expected === null && resource.changes.length > 0)
  })
}

test('configs are set, kept, deleted; what is so already makes no record', () => {
  const it = cluster()
  const topic = (): [string, string][] => [...it.image.topics.byName.get('taken.name')!.configs]
  alter(it, [topicResource('taken.name', set('retention.ms', '5'), set('segment.bytes', '4096'))])
  alter(it, [topicResource('taken.name', unset('retention.ms'), unset('max.message.bytes'))])
  assert.deepEqual(topic(), [['segment.bytes', '4096']])
  const before = it.image
  alter(it, [topicResource('taken.name', set('segment.bytes', '4096'))])
  assert.equal(it.image.lastOffset, before.lastOffset)
  alter(it, [brokerResource('2', set('log.retention.ms', '5'))])
  assert.deepEqual(
    [...it.image.brokerConfigs].map(([id, configs]) => [id, [...configs]]),
    [[2, [['log.retention.ms', '5']]]],
  )
  alter(it, [brokerResource('2', unset('log.retention.ms'))])
  assert.equal(it.image.brokerConfigs.size, 0)
  const twice = topicResource('taken.name', set('retention.ms', '1'))
  assert.deepEqual(alter(it, [twice, twice]), ['INVALID_REQUEST', 'INVALID_REQUEST'])
  assert.deepEqual(alter(it, [twice], true), [null])
  assert.deepEqual(topic(), [['segment.bytes', '4096']])
})

test('a lower min.insync.replicas ends eligibility in the same step (KIP-966)', () => {
  const it = new Cluster(1, 2)
  it.create('t', { assignments: [[1, 2]], configs: [{ key: 'min.insync.replicas', value: '2' }] })
  it.fence(2)
  assert.equal(it.standing('t'), '1,2|1|2|1@0')
  alter(it, [topicResource('t', set('min.insync.replicas', '1'))])
  assert.equal(it.standing('t'), '1,2|1||1@0')
})

test('ids are 22 characters of base64url and never begin with a dash', () => {
  for (let byte = 0; byte < 256; byte++) {
    assert.match(uuidFrom(new Uint8Array(16).fill(byte)), /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
  }
  assert.equal(uuidFrom(new Uint8Array(16)), 'AAAAAAAAQACAAAAAAAAAAA')
})
