import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  addRaftVoter,
  alterConfigs,
  alterPartitionReassignments,
  apis,
  apiVersions,
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeQuorum,
  drainBroker,
  electLeaders,
  listOffsets,
  listPartitionReassignments,
  metadata,
  produce,
  removeRaftVoter,
  transferLeadership,
} from '../../src/protocol/apis/index.ts'
import { ApiError, errorName } from '../../src/protocol/errors.ts'
import { encodeResponse } from '../../src/protocol/frame.ts'
import type { Authorizer } from '../../src/transport/handler.ts'
import {
  batchOf,
  errorsOf,
  type Harness,
  isSettled,
  openHarness,
  other,
  partitionImage,
  produceRequest,
  self,
  topicImage,
} from './harness.ts'

/** Everything but the topic `secret`. */
const guarded: Authorizer = { isAllowed: (_, __, resource) => resource.kind === 'topic' && resource.name !== 'secret' }

function createdTopic(name: string, changes = {}) {
  return {
    name,
    topicId: `id-${name}`,
    errorCode: 0,
    errorMessage: null,
    numPartitions: 1,
    replicationFactor: 1,
    ...changes,
  }
}

test('every request of the protocol is served, except the one the transport answers', async () => {
  const h = await openHarness()
  const served = new Set(h.broker.handlers.map(handler => handler.api.key))
  assert.deepEqual(
    apis.filter(api => !served.has(api.key)).map(api => api.key),
    [apiVersions.key],
  )
})

describe('metadata', () => {
  const partitions = [partitionImage({ replicas: [self, other], isr: [self] }), partitionImage({ leaderId: null })]

  test('says of a name that no topic can have that it is illegal, so that nobody waits for it', async () => {
    const h = await openHarness()
    const response = (await h.call(metadata, {
      topics: ['no such name', 'nope'],
      allowAutoTopicCreation: false,
      readTimeoutMs: 0,
    }))!
    const codes = response.topics.map(topic => errorName(topic.errorCode))
    assert.deepEqual(codes, ['INVALID_TOPIC_EXCEPTION', 'UNKNOWN_TOPIC_OR_PARTITION'])
  })

  test('brokers that live, topics with leaders, in a shape the wire takes', async () => {
    const h = await openHarness({
      topics: [topicImage('b', { partitions }), topicImage('a'), topicImage('__internal')],
    })
    const response = (await h.call(metadata, { topics: null, allowAutoTopicCreation: false, readTimeoutMs: 0 }))!
    assert.deepEqual(response.brokers, [{ nodeId: 1, url: 'ws://node-1', rack: null }])
    assert.equal(response.controllerId, 1)
    assert.deepEqual(
      response.topics.map(topic => [topic.name, topic.isInternal]),
      [
        ['__internal', true],
        ['a', false],
        ['b', false],
      ],
    )
    const [led, leaderless] = response.topics[2]!.partitions
    assert.deepEqual(led!.offlineReplicas, [2])
    assert.equal(led!.leaderId, 1)
    assert.equal(leaderless!.leaderId, -1)
    assert.equal(errorName(leaderless!.errorCode), 'LEADER_NOT_AVAILABLE')
    assert.ok(encodeResponse(metadata, 0, 1, response).length > 0)
  })

  test('asked by name: what is not there and what may not be seen', async () => {
    const h = await openHarness({ topics: [topicImage('a'), topicImage('secret')], authorizer: guarded })
    const named = await h.call(metadata, {
      topics: ['a', 'secret', 'nope'],
      allowAutoTopicCreation: false,
      readTimeoutMs: 0,
    })
    assert.deepEqual(
      named!.topics.map(t => errorName(t.errorCode)),
      [null, 'TOPIC_AUTHORIZATION_FAILED', 'UNKNOWN_TOPIC_OR_PARTITION'],
    )
    const all = await h.call(metadata, { topics: null, allowAutoTopicCreation: false, readTimeoutMs: 0 })
    assert.deepEqual(
      all!.topics.map(t => t.name),
      ['a'],
    )
  })

  test('creates missing topics, once and only where asked and allowed', async () => {
    let h: Harness = null as never
    const answer = (): unknown => {
      h.metadata.set(topicImage('new'))
      return { topics: [createdTopic('new')] }
    }
    h = await openHarness({ answer, authorizer: guarded })
    const ask = (allowAutoTopicCreation: boolean) =>
      h.call(metadata, { topics: ['t', 'new', 'new', 'secret'], allowAutoTopicCreation, readTimeoutMs: 0 })
    await ask(false)
    assert.equal(h.forwarded.length, 0)
    const response = await ask(true)
    assert.equal(h.forwarded.length, 1)
    assert.deepEqual(
      (h.forwarded[0]!.body as { topics: { name: string }[] }).topics.map(t => t.name),
      ['new'],
    )
    assert.deepEqual(
      response!.topics.map(t => errorName(t.errorCode)),
      [null, null, null, 'TOPIC_AUTHORIZATION_FAILED'],
    )
    assert.notEqual(h.logs.logs.get('new-0'), undefined, 'the partition is open when the answer leaves')
  })

  test('a controller that cannot create is no reason to fail', async () => {
    const h = await openHarness({
      answer: () => {
        throw new Error('no quorum')
      },
    })
    const response = await h.call(metadata, { topics: ['new'], allowAutoTopicCreation: true, readTimeoutMs: 0 })
    assert.deepEqual(
      response!.topics.map(t => errorName(t.errorCode)),
      ['UNKNOWN_TOPIC_OR_PARTITION'],
    )
  })
})

describe('what the controller decides', () => {
  const newTopic = (name: string) => ({ name, numPartitions: 1, replicationFactor: 1, assignments: null, configs: [] })

  test('createTopics: allowed ones are forwarded together; answers keep the order; partitions are open', async () => {
    let h: Harness = null as never
    const answer = (): unknown => {
      h.metadata.set(topicImage('a'))
      return { topics: [createdTopic('a'), createdTopic('b', { topicId: null, errorCode: 36, errorMessage: 'there' })] }
    }
    h = await openHarness({ answer, authorizer: guarded })
    const topics = [newTopic('a'), newTopic('secret'), newTopic('b')]
    const response = await h.call(createTopics, { session: null, timeoutMs: 1_000, validateOnly: false, topics })
    assert.deepEqual(
      response!.topics.map(t => [t.name, errorName(t.errorCode)]),
      [
        ['a', null],
        ['secret', 'TOPIC_AUTHORIZATION_FAILED'],
        ['b', 'TOPIC_ALREADY_EXISTS'],
      ],
    )
    assert.deepEqual((h.forwarded[0]!.body as { topics: unknown[] }).topics, [topics[0], topics[2]])
    assert.notEqual(h.logs.logs.get('a-0'), undefined)
  })

  test('createTopics: partitions that take longer to open than was to be waited hold up no answer', async () => {
    let h: Harness = null as never
    const answer = (): unknown => {
      h.metadata.set(topicImage('a'))
      return { topics: [createdTopic('a')] }
    }
    h = await openHarness({ answer })
    let open!: () => void
    h.logs.gate = new Promise(resolve => (open = resolve))
    const topics = [newTopic('a')]
    const created = h.call(createTopics, { session: null, timeoutMs: 1_000, validateOnly: false, topics })
    assert.equal(await isSettled(created), false)
    h.clock.advance(1_100)
    assert.equal((await created)!.topics[0]!.errorCode, 0)
    assert.deepEqual(errorsOf(await h.call(produce, produceRequest({ partitions: [{ topic: 'a' }] }))), [
      'LEADER_NOT_AVAILABLE',
    ])
    open()
    await h.broker.partitions.settled()
    assert.notEqual(h.logs.logs.get('a-0'), undefined)
  })

  test('nothing allowed: nothing forwarded', async () => {
    const h = await openHarness({ authorizer: { isAllowed: () => false } })
    const session = null
    await h.call(deleteTopics, { session, timeoutMs: 1, topics: [{ name: 't', topicId: null }] })
    await h.call(createPartitions, {
      session,
      timeoutMs: 1,
      validateOnly: false,
      topics: [{ name: 't', count: 2, assignments: null }],
    })
    const changes = [{ op: 'set' as const, key: 'retention.ms', value: '1' }]
    const resources = [
      { type: 'topic' as const, name: 't', changes },
      { type: 'broker' as const, name: '1', changes },
    ]
    const response = await h.call(alterConfigs, { session, validateOnly: false, resources })
    assert.deepEqual(
      response!.resources.map(r => errorName(r.errorCode)),
      ['TOPIC_AUTHORIZATION_FAILED', 'CLUSTER_AUTHORIZATION_FAILED'],
    )
    const timeoutMs = 5
    for (const refused of [
      h.call(describeQuorum, { timeoutMs }),
      h.call(addRaftVoter, { id: 2, url: null, timeoutMs }),
      h.call(removeRaftVoter, { id: 2, timeoutMs }),
      h.call(transferLeadership, { to: null, timeoutMs }),
      h.call(electLeaders, { session: null, timeoutMs, electionType: 'preferred', partitions: null }),
      h.call(alterPartitionReassignments, { session: null, timeoutMs, partitions: [] }),
      h.call(drainBroker, { session: null, timeoutMs, nodeId: 2, isDraining: true }),
    ]) {
      await assert.rejects(refused, { code: 'CLUSTER_AUTHORIZATION_FAILED' })
    }
    assert.deepEqual(h.forwarded, [])
  })

  test('createPartitions answers once the new ones can be written to', async () => {
    let h: Harness = null as never
    const answer = (): unknown => {
      h.metadata.set(topicImage('t', { partitions: [partitionImage(), partitionImage()] }))
      return { topics: [{ name: 't', errorCode: 0, errorMessage: null }] }
    }
    h = await openHarness({ answer })
    await h.call(createPartitions, {
      session: null,
      timeoutMs: 1,
      validateOnly: false,
      topics: [{ name: 't', count: 2, assignments: null }],
    })
    assert.notEqual(h.logs.logs.get('t-1'), undefined)
  })
})

describe('reads that must be current', () => {
  const reads = (h: Harness, readTimeoutMs: number) => [
    h.call(metadata, { topics: null, allowAutoTopicCreation: false, readTimeoutMs }),
    h.call(describeConfigs, { resources: [], readTimeoutMs }),
    h.call(describeCluster, { readTimeoutMs }),
    h.call(listPartitionReassignments, { topics: null, readTimeoutMs }),
  ]

  test('ask the controller first, in the time they have; the others ask nobody', async () => {
    const h = await openHarness()
    await Promise.all(reads(h, 0))
    assert.deepEqual(h.forwarded, [])
    await Promise.all(reads(h, 70))
    assert.deepEqual(h.forwarded, new Array(4).fill({ api: 'currentImage', body: 70 }))
  })

  test('are refused where nobody can know', async () => {
    const h = await openHarness({
      answer: () => {
        throw new ApiError('NOT_CONTROLLER')
      },
    })
    for (const read of reads(h, 70)) await assert.rejects(read, { code: 'NOT_CONTROLLER' })
  })
})

describe('describeConfigs', () => {
  test('effective values of a topic and where they come from', async () => {
    const configs = new Map([['retention.ms', '5']])
    const h = await openHarness({
      topics: [topicImage('t', { configs })],
      topicDefaults: { 'log.segment.bytes': '4096' },
    })
    h.metadata.configureBroker(self, { 'log.retention.bytes': '77' })
    const keys = ['retention.bytes', 'retention.ms', 'segment.bytes', 'segment.ms']
    const response = await h.call(describeConfigs, {
      resources: [{ type: 'topic', name: 't', keys }],
      readTimeoutMs: 0,
    })
    assert.deepEqual(
      response!.resources[0]!.configs.map(c => [c.key, c.value, c.source]),
      [
        ['retention.bytes', '77', 'broker-dynamic'],
        ['retention.ms', '5', 'topic'],
        ['segment.bytes', '4096', 'broker-static'],
        ['segment.ms', '604800000', 'default'],
      ],
    )
  })

  test('a broker describes itself, and only itself', async () => {
    const h = await openHarness()
    const names = ['1', '2', 'x']
    const resources = names.map(name => ({ type: 'broker' as const, name, keys: null }))
    const response = await h.call(describeConfigs, {
      resources: [...resources, { type: 'topic', name: 'nope', keys: null }],
      readTimeoutMs: 0,
    })
    assert.deepEqual(
      response!.resources.map(r => errorName(r.errorCode)),
      [null, 'INVALID_REQUEST', 'INVALID_REQUEST', 'UNKNOWN_TOPIC_OR_PARTITION'],
    )
    assert.deepEqual(
      response!.resources[0]!.configs.map(c => c.key),
      ['node.id'],
    )
  })
})

test('listPartitionReassignments: what moves, of topics that may be seen, in order', async () => {
  const moving = partitionImage({ replicas: [other, self], addingReplicas: [other], removingReplicas: [self] })
  const h = await openHarness({
    topics: ['b', 'a', 'secret'].map(name => topicImage(name, { partitions: [partitionImage(), moving] })),
    authorizer: guarded,
  })
  const listed = async (topics: string[] | null) =>
    (await h.call(listPartitionReassignments, { topics, readTimeoutMs: 0 }))!.partitions
  const of = (topic: string) => ({
    topic,
    partition: 1,
    replicas: [other, self],
    addingReplicas: [other],
    removingReplicas: [self],
  })
  assert.deepEqual(await listed(null), [of('a'), of('b')])
  assert.deepEqual(await listed(['b', 'gone', 'b', 'secret']), [of('b')])
})

test('describeCluster gives every registered broker its state', async () => {
  const h = await openHarness()
  const response = await h.call(describeCluster, { readTimeoutMs: 0 })
  assert.deepEqual(
    response!.brokers.map(b => [b.nodeId, b.state]),
    [
      [1, 'active'],
      [2, 'fenced'],
    ],
  )
})

describe('offsets', () => {
  async function filled(): Promise<Harness> {
    const h = await openHarness({ isInstant: true })
    for (const timestamp of [1_000, 2_000, 3_000]) {
      await h.call(produce, produceRequest({ partitions: [{ records: batchOf(['v'], timestamp) }] }))
    }
    return h
  }
  const at = (timestamp: number) => ({ topic: 't', topicId: null, partition: 0, leaderEpoch: -1, timestamp })

  test('listOffsets: start, end, by time, too young, nonsense', async () => {
    const h = await filled()
    h.log().logStartOffset = 1
    const partitions = [-2, -1, 1_500, 9_000, -7].map(at)
    const response = await h.call(listOffsets, { isolationLevel: 0, partitions })
    assert.deepEqual(errorsOf(response), [null, null, null, null, 'INVALID_REQUEST'])
    assert.deepEqual(
      response!.partitions.slice(0, 4).map(p => [p.offset, p.timestamp]),
      [
        [1, -1],
        [3, -1],
        [1, 2_000],
        [-1, -1],
      ],
    )
  })

  test('listOffsets refuses stale and unknown leader epochs', async () => {
    const h = await openHarness({
      topics: [topicImage('t', { partitions: [partitionImage({ leaderEpoch: 5 as never })] })],
    })
    const partitions = [4, 6].map(leaderEpoch => ({ ...at(-1), leaderEpoch }))
    assert.deepEqual(errorsOf(await h.call(listOffsets, { isolationLevel: 0, partitions })), [
      'FENCED_LEADER_EPOCH',
      'UNKNOWN_LEADER_EPOCH',
    ])
  })

  test('deleteRecords: up to an offset, to the high watermark, never beyond, never back', async () => {
    const h = await filled()
    const cut = async (offset: number) => {
      const partitions = [{ topic: 't', topicId: null, partition: 0, offset }]
      const response = await h.call(deleteRecords, { timeoutMs: 1_000, partitions })
      return [errorsOf(response)[0], response!.partitions[0]!.logStartOffset]
    }
    assert.deepEqual(await cut(2), [null, 2])
    assert.deepEqual(await cut(1), [null, 2])
    assert.deepEqual(await cut(4), ['OFFSET_OUT_OF_RANGE', -1])
    assert.deepEqual(await cut(-2), ['OFFSET_OUT_OF_RANGE', -1])
    assert.deepEqual(await cut(-1), [null, 3])
  })
})
