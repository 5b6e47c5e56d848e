import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestOf } from '../../src/protocol/api.ts'
import type { createTopics } from '../../src/protocol/apis/index.ts'
import { ApiError, type ErrorName, errorCode } from '../../src/protocol/errors.ts'
import { startFake } from './harness.ts'

type CreateTopics = RequestOf<typeof createTopics>

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code

/** A controller that creates topics, remembers sessions, and can be told to answer otherwise. */
function withController(nodes = 1) {
  const fake = startFake({ nodes })
  const { cluster } = fake
  const sessions: Array<{ clientId: string; requestId: number } | null> = []
  const answers: Array<ErrorName | null> = []
  cluster.handlers.set('CreateTopics', (body: CreateTopics, nodeId: number) => {
    sessions.push(body.session)
    if (nodeId !== cluster.controllerId) throw new ApiError('NOT_CONTROLLER')
    return {
      topics: body.topics.map(({ name }) => {
        const error = answers.shift() ?? null
        if (error === null) cluster.createTopic(name, 2)
        const code = error === null ? 0 : errorCode(error)
        return {
          name,
          topicId: error === null ? 'id' : null,
          errorCode: code,
          errorMessage: null,
          numPartitions: 2,
          replicationFactor: 1,
        }
      }),
    }
  })
  return { ...fake, sessions, answers }
}

test('admin: a change is retried with the same session, the next one has another', async () => {
  const { clock, cluster, admin, sessions } = withController()
  const a = admin()
  let breaks = 2
  cluster.faultOf = api => (api.name === 'CreateTopics' && breaks-- > 0 ? 'break after' : 'none')
  const created = await clock.run(a.createTopics({ topics: [{ name: 'one' }] }))
  assert.deepEqual(created, [{ name: 'one', topicId: 'id', numPartitions: 2, replicationFactor: 1 }])
  await clock.run(a.createTopics({ topics: [{ name: 'two' }] }))
  assert.equal(sessions.length, 4)
  assert.deepEqual(
    sessions.map(session => session!.requestId),
    [1, 1, 1, 2],
  )
  assert.equal(new Set(sessions.map(session => session!.clientId)).size, 1)
  assert.match(sessions[0]!.clientId, /^[0-9a-f]{32}$/)
  const b = admin()
  await clock.run(b.createTopics({ topics: [{ name: 'three' }] }))
  assert.notEqual(sessions[4]!.clientId, sessions[0]!.clientId)
  await clock.run(Promise.all([a.close(), b.close()]))
})

test('admin: changes that are made at the same time do not overtake each other in one session', async () => {
  const { clock, cluster, admin, sessions } = withController()
  const a = admin()
  let breaks = 1
  cluster.faultOf = api => (api.name === 'CreateTopics' && breaks-- > 0 ? 'break after' : 'none')
  const names = Array.from({ length: 20 }, (_, at) => `t${at}`)
  await clock.run(Promise.all(names.map(name => a.createTopics({ topics: [{ name }] }))))
  const ids = sessions.map(session => session!.requestId)
  assert.deepEqual(ids, [1, 1, ...names.slice(1).map((_, at) => at + 2)])
  await clock.run(a.close())
})

test('admin: a change goes to the controller, also after it moved', async () => {
  const { clock, cluster, admin } = withController(3)
  const a = admin()
  for (const controllerId of [2, 3, 1]) {
    cluster.controllerId = controllerId
    await clock.run(a.createTopics({ topics: [{ name: `by-${controllerId}` }] }))
    assert.equal(cluster.requests.at(-1)!.nodeId, controllerId)
  }
  await clock.run(a.close())
})

test('admin: a controller that stands still is not asked again by the next request', async () => {
  const { clock, cluster, admin } = withController(3)
  const a = admin({ requestTimeoutMs: 1_000 })
  cluster.controllerId = 2
  await clock.run(a.listTopics())
  cluster.frozenNodes.add(2)
  cluster.controllerId = 3
  // Longer than the request had: there is no time left to look for another.
  await assert.rejects(clock.run(a.createTopics({ topics: [{ name: 'x' }] })), isApiError('NETWORK_EXCEPTION'))
  const before = cluster.requests.length
  await clock.run(a.createTopics({ topics: [{ name: 'y' }] }))
  assert.ok(cluster.requests.slice(before).some(({ api, nodeId }) => api === 'CreateTopics' && nodeId === 3))
  await clock.run(a.close())
})

test('admin: refusals name every topic refused; a single one has just its sentence', async () => {
  const { clock, admin, answers } = withController()
  const a = admin()
  answers.push(null, 'TOPIC_ALREADY_EXISTS', 'INVALID_PARTITIONS')
  await assert.rejects(
    clock.run(a.createTopics({ topics: [{ name: 'x' }, { name: 'y' }, { name: 'z' }] })),
    (e: ApiError) => {
      assert.equal(e.code, 'TOPIC_ALREADY_EXISTS')
      assert.match(e.message, /'y': TOPIC_ALREADY_EXISTS: .*'z': INVALID_PARTITIONS: /)
      assert.doesNotMatch(e.message, /'x'/)
      return true
    },
  )
  answers.push('INVALID_CONFIG')
  await assert.rejects(clock.run(a.createTopics({ topics: [{ name: 'w' }] })), (e: ApiError) => {
    return e.code === 'INVALID_CONFIG' && e.message.startsWith("'w': ") && !e.message.includes('INVALID_CONFIG')
  })
  await clock.run(a.close())
})

test('admin: what may pass is tried again until the request timeout, what will not is not', async () => {
  const { clock, cluster, admin, sessions } = withController()
  const a = admin({ requestTimeoutMs: 3_000 })
  const faults: ErrorName[] = ['REQUEST_TIMED_OUT', 'NOT_CONTROLLER']
  cluster.faultOf = api => (api.name === 'CreateTopics' && faults.shift()) || 'none'
  await clock.run(a.createTopics({ topics: [{ name: 'ok' }] }))
  assert.deepEqual([faults.length, sessions.length], [0, 1])
  faults.push(...new Array<ErrorName>(100).fill('NOT_CONTROLLER'))
  const startMs = clock.nowMs()
  await assert.rejects(clock.run(a.createTopics({ topics: [{ name: 'never' }] })), isApiError('NOT_CONTROLLER'))
  assert.ok(clock.nowMs() - startMs >= 3_000 && clock.nowMs() - startMs < 6_000)
  await clock.run(a.close())
})

test('admin: no controller is not waited for as long as a request may take: nodes have waited before they say so', async () => {
  const { clock, cluster, admin } = withController()
  const a = admin()
  cluster.faultOf = api => (api.name === 'CreateTopics' ? 'NOT_CONTROLLER' : 'none')
  const startMs = clock.nowMs()
  await assert.rejects(clock.run(a.createTopics({ topics: [{ name: 'never' }] })), isApiError('NOT_CONTROLLER'))
  assert.ok(clock.nowMs() - startMs < 10_000)
  await clock.run(a.close())
})

test('admin: many topics go in several requests, one after the other, and all refusals are told', async () => {
  const { clock, admin, sessions } = withController()
  const a = admin()
  const topics = Array.from({ length: 2_500 }, (_, at) => ({ name: `t${at}` }))
  const created = await clock.run(a.createTopics({ topics }))
  assert.deepEqual(
    created.map(({ name }) => name),
    topics.map(({ name }) => name),
  )
  assert.deepEqual(
    sessions.map(session => session!.requestId),
    [1, 2, 3],
  )
  const { admin: another, answers, clock: time } = withController()
  const b = another()
  answers.push(...new Array<null>(1_500).fill(null), 'INVALID_PARTITIONS')
  await assert.rejects(time.run(b.createTopics({ topics })), /'t1500': /)
  await Promise.all([clock.run(a.close()), time.run(b.close())])
})

test('admin: a node that is cut off from the controller is left for one that is not', async () => {
  const { clock, cluster, admin } = withController(2)
  const a = admin()
  cluster.controllerId = -1
  const cutOff: number[] = []
  cluster.handlers.set('DescribeQuorum', (_body: unknown, nodeId: number) => {
    if (nodeId === 1) cutOff.push(nodeId)
    if (nodeId === 1) throw new ApiError('NOT_CONTROLLER')
    return { clusterId: 'c', leaderId: 2, leaderEpoch: 1, highWatermark: 1, voters: [], observers: [] }
  })
  const described = await clock.run(a.describeQuorum())
  assert.equal(described.leaderId, 2)
  assert.deepEqual(cutOff, [1], 'asked once and not again')
  await clock.run(a.close())
})

test('admin: lists and descriptions ask for what is current', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 1 })
  cluster.createTopic('t', 1)
  const a = admin()
  await clock.run(a.listTopics())
  const asked = cluster.requests
    .filter(({ api }) => api === 'Metadata')
    .map(({ body }) => body as { readTimeoutMs: number })
  assert(asked.some(({ readTimeoutMs }) => readTimeoutMs > 0))
  assert(
    asked.some(({ readTimeoutMs }) => readTimeoutMs === 0),
    'the view of the cluster is not worth a round trip',
  )
  await clock.run(a.close())
})

test('admin: a voter whose removal lost its answer is removed; one that never was is not', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 1 })
  const voters = new Set([1, 2])
  cluster.handlers.set('RemoveRaftVoter', ({ id }: { id: number }) => {
    if (!voters.delete(id)) throw new ApiError('VOTER_NOT_FOUND')
    return {}
  })
  let breaks = 1
  cluster.faultOf = api => (api.name === 'RemoveRaftVoter' && breaks-- > 0 ? 'break after' : 'none')
  const a = admin()
  await clock.run(a.removeVoter({ id: 2 }))
  assert.deepEqual([...voters], [1])
  await assert.rejects(clock.run(a.removeVoter({ id: 2 })), isApiError('VOTER_NOT_FOUND'))
  voters.add(2)
  cluster.handlers.set('RemoveRaftVoter', ({ id }: { id: number }) => {
    if (!voters.delete(id)) throw new ApiError('VOTER_NOT_FOUND')
    throw new ApiError('REQUEST_TIMED_OUT', 'The leadership was lost; it may or may not be done.')
  })
  await clock.run(a.removeVoter({ id: 2 }))
  assert.deepEqual([...voters], [1])
  await clock.run(a.close())
})

test('admin: what brokers are configured to is asked of each of them, and told in the order asked for', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 3 })
  cluster.handlers.set('DescribeConfigs', (body: { resources: { type: string; name: string }[] }, nodeId: number) => ({
    resources: body.resources.map(({ type, name }) => {
      const isRight = type === 'topic' || name === String(nodeId)
      const config = { key: 'from', value: `${nodeId}`, source: 'default', isReadOnly: false, doc: '' }
      return {
        type,
        name,
        errorCode: isRight ? 0 : errorCode('INVALID_REQUEST'),
        errorMessage: null,
        configs: [config],
      }
    }),
  }))
  const a = admin()
  const resources = [
    { type: 'broker', name: '3' },
    { type: 'topic', name: 't' },
    { type: 'broker', name: '2' },
    { type: 'topic', name: 'u' },
  ] as const
  const described = await clock.run(a.describeConfigs({ resources }))
  assert.deepEqual(
    described.map(({ name, configs }) => `${name} from ${configs[0]!.value}`),
    ['3 from 3', 't from 1', '2 from 2', 'u from 1'],
  )
  await assert.rejects(
    clock.run(a.describeConfigs({ resources: [{ type: 'broker', name: '9' }] })),
    isApiError('INVALID_REQUEST'),
  )
  await clock.run(a.close())
})

test('admin: adding voters and handing over go to the controller with the time they may take', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 2 })
  cluster.controllerId = 2
  const asked: unknown[] = []
  cluster.handlers.set('AddRaftVoter', (body: unknown, nodeId: number) => {
    asked.push([nodeId, body])
    return {}
  })
  cluster.handlers.set('TransferLeadership', (body: unknown, nodeId: number) => {
    asked.push([nodeId, body])
    return { leaderId: 1 }
  })
  const a = admin()
  await clock.run(a.addVoter({ id: 3, url: 'ws://n3', timeoutMs: 60_000 }))
  assert.deepEqual(await clock.run(a.transferLeadership()), { leaderId: 1 })
  const [added, handedOver] = asked as [[number, { id: number; timeoutMs: number }], [number, { to: number | null }]]
  assert.deepEqual([added[0], added[1].id, handedOver[0], handedOver[1].to], [2, 3, 2, null])
  assert(added[1].timeoutMs > 50_000 && added[1].timeoutMs <= 60_000)
  await clock.run(a.close())
})

test('admin: describeTopics joins metadata, offsets and configs', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 2 })
  cluster.createTopic('t', 2)
  Object.assign(cluster.partition('t', 1), { logStartOffset: 3, endOffset: 9 })
  cluster.handlers.set('DescribeConfigs', (body: { resources: Array<{ type: string; name: string }> }) => ({
    resources: body.resources.map(({ type, name }) => ({
      type,
      name,
      errorCode: 0,
      errorMessage: null,
      configs: [
        { key: 'cleanup.policy', value: 'compact', source: 'topic', isReadOnly: false, doc: '' },
        { key: 'retention.ms', value: '1', source: 'default', isReadOnly: false, doc: '' },
        { key: 'min.insync.replicas', value: '-1', source: 'default', isReadOnly: false, doc: '' },
      ],
    })),
  }))
  const a = admin()
  const same = {
    leaderEpoch: 1,
    replicas: [1, 2],
    isr: [1, 2],
    elr: [],
    offlineReplicas: [],
    addingReplicas: [],
    removingReplicas: [],
    minInsyncReplicas: 1,
    replicaStates: null,
  }
  const [topic] = await clock.run(a.describeTopics({ topics: ['t'] }))
  assert.deepEqual(topic, {
    name: 't',
    topicId: 'id-of-t',
    partitions: [
      { partition: 0, leader: 1, ...same, logStartOffset: 0, highWatermark: 0 },
      { partition: 1, leader: 2, ...same, logStartOffset: 3, highWatermark: 9 },
    ],
    configs: { 'cleanup.policy': 'compact' },
  })
  assert.deepEqual(await clock.run(a.describeTopics()), [topic])
  assert.deepEqual(await clock.run(a.listTopics()), [
    { name: 't', topicId: 'id-of-t', isInternal: false, partitionCount: 2, replicationFactor: 2 },
  ])
  const startMs = clock.nowMs()
  await assert.rejects(clock.run(a.describeTopics({ topics: ['missing'] })), isApiError('UNKNOWN_TOPIC_OR_PARTITION'))
  assert.ok(clock.nowMs() - startMs < 3_000, 'a topic that is not there is not waited for long')
  cluster.downNodes.add(2)
  cluster.breakConnections(2)
  const [half] = await clock.run(a.describeTopics({ topics: ['t'] }))
  assert.deepEqual(
    half!.partitions.map(partition => partition.highWatermark),
    [0, null],
  )
  await clock.run(a.close())
})

test('admin: listOffsets asks the leaders, follows them, and fails by name', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 3 })
  cluster.createTopic('t', 3)
  cluster.partition('t', 2).endOffset = 5
  const a = admin()
  const at = (partition: number, spec: 'start' | 'end') => ({ topic: 't', partition, at: spec })
  const first = await clock.run(a.listOffsets({ partitions: [at(2, 'end'), at(0, 'start')] }))
  assert.deepEqual(
    first.map(({ partition, offset }) => [partition, offset]),
    [
      [2, 5],
      [0, 0],
    ],
  )
  cluster.moveLeader('t', 2, 1)
  const [moved] = await clock.run(a.listOffsets({ partitions: [at(2, 'end')] }))
  assert.equal(moved!.offset, 5)
  await assert.rejects(clock.run(a.listOffsets({ partitions: [at(0, 'end'), at(9, 'end')] })), (e: ApiError) => {
    return isApiError('UNKNOWN_TOPIC_OR_PARTITION')(e) && e.message.includes('t-9')
  })
  await clock.run(a.close())
})

test('admin: no node to reach', async () => {
  const { clock, cluster, admin } = startFake()
  cluster.downNodes.add(1)
  const a = admin()
  await assert.rejects(clock.run(a.listTopics()), (e: ApiError) => {
    return isApiError('NETWORK_EXCEPTION')(e) && e.message.includes('ws://node-1:9292 (connection refused)')
  })
  assert.ok(clock.nowMs() < 10_000)
  await clock.run(a.close())
})
