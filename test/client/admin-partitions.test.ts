/** Elections, moves, draining and the state of replicas, as the admin client asks for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestOf, ResponseOf } from '../../src/protocol/api.ts'
import type * as apis from '../../src/protocol/apis/index.ts'
import { ApiError, type ErrorName, errorCode } from '../../src/protocol/errors.ts'
import { startFake } from './harness.ts'

const isApiError = (code: string) => (error: unknown) => error instanceof ApiError && error.code === code
const code = (name: ErrorName | null): number => (name === null ? 0 : errorCode(name))

test('admin: elections say who leads now; where none is needed nothing is wrong', async () => {
  const { clock, cluster, admin } = startFake()
  const asked: RequestOf<typeof apis.electLeaders>[] = []
  const outcomes: Array<ErrorName | null> = []
  cluster.handlers.set('ElectLeaders', (body: RequestOf<typeof apis.electLeaders>) => {
    asked.push(body)
    const items = body.partitions ?? [{ topic: 't', partition: 7 }]
    const partitions = items.map(item => {
      const error = outcomes.shift() ?? null
      return { ...item, errorCode: code(error), errorMessage: null, leaderId: error === null ? 3 : -1 }
    })
    return { partitions }
  })
  const a = admin()
  const both = [0, 1].map(partition => ({ topic: 't', partition }))
  outcomes.push(null, 'ELECTION_NOT_NEEDED')
  assert.deepEqual(await clock.run(a.electLeaders({ partitions: both })), [
    { topic: 't', partition: 0, isElected: true, leader: 3 },
    { topic: 't', partition: 1, isElected: false, leader: null },
  ])
  assert.deepEqual(await clock.run(a.electLeaders({ type: 'unclean' })), [
    { topic: 't', partition: 7, isElected: true, leader: 3 },
  ])
  outcomes.push(null, 'PREFERRED_LEADER_NOT_AVAILABLE')
  await assert.rejects(clock.run(a.electLeaders({ partitions: both })), (error: ApiError) => {
    return isApiError('PREFERRED_LEADER_NOT_AVAILABLE')(error) && error.message.includes("'t-1': ")
  })
  assert.deepEqual(
    asked.map(({ electionType, partitions }) => [electionType, partitions?.length ?? null]),
    [
      ['preferred', 2],
      ['unclean', null],
      ['preferred', 2],
    ],
  )
  assert.deepEqual(
    asked.map(({ session }) => session!.requestId),
    [1, 2, 3],
  )
  await clock.run(a.close())
})

test('admin: moves are begun, given up and listed, and refused by name', async () => {
  const { clock, cluster, admin } = startFake()
  const asked: RequestOf<typeof apis.alterPartitionReassignments>[] = []
  let breaks = 1
  cluster.faultOf = api => (api.name === 'AlterPartitionReassignments' && breaks-- > 0 ? 'break after' : 'none')
  cluster.handlers.set('AlterPartitionReassignments', (body: RequestOf<typeof apis.alterPartitionReassignments>) => {
    asked.push(body)
    const partitions = body.partitions.map(({ topic, partition, replicas }) => {
      const error = replicas === null && partition > 0 ? 'NO_REASSIGNMENT_IN_PROGRESS' : null
      return { topic, partition, errorCode: code(error), errorMessage: null }
    })
    return { partitions }
  })
  const moves = [{ topic: 't', partition: 0, replicas: [1, 2], addingReplicas: [2], removingReplicas: [] }]
  const lists: Array<string[] | null> = []
  cluster.handlers.set('ListPartitionReassignments', (body: { topics: string[] | null }) => {
    lists.push(body.topics)
    return { partitions: moves }
  })
  const a = admin()
  await clock.run(a.alterPartitionReassignments({ partitions: [{ topic: 't', partition: 0, replicas: [2, 1] }] }))
  assert.deepEqual(asked[0], asked[1], 'after the lost answer the same again')
  assert.deepEqual(asked[0]!.partitions, [{ topic: 't', partition: 0, replicas: [2, 1] }])
  const giveUp = [0, 1].map(partition => ({ topic: 't', partition, replicas: null }))
  await assert.rejects(clock.run(a.alterPartitionReassignments({ partitions: giveUp })), (error: ApiError) => {
    return isApiError('NO_REASSIGNMENT_IN_PROGRESS')(error) && error.message.includes("'t-1': ")
  })
  assert.deepEqual(await clock.run(a.listPartitionReassignments()), moves)
  assert.deepEqual(await clock.run(a.listPartitionReassignments({ topics: ['t'] })), moves)
  assert.deepEqual(lists, [null, ['t']])
  await clock.run(a.close())
})

test('admin: draining says what is left to lead, each time it is asked', async () => {
  const { clock, cluster, admin } = startFake()
  const asked: RequestOf<typeof apis.drainBroker>[] = []
  cluster.handlers.set('DrainBroker', (body: RequestOf<typeof apis.drainBroker>) => {
    asked.push(body)
    if (body.nodeId === 9) throw new ApiError('BROKER_ID_NOT_REGISTERED')
    return { leaderCount: 2 - asked.length }
  })
  const a = admin()
  assert.deepEqual(await clock.run(a.drainBroker({ nodeId: 2 })), { leaderCount: 1 })
  assert.deepEqual(await clock.run(a.drainBroker({ nodeId: 2, isDraining: false })), { leaderCount: 0 })
  await assert.rejects(clock.run(a.drainBroker({ nodeId: 9 })), isApiError('BROKER_ID_NOT_REGISTERED'))
  assert.deepEqual(
    asked.map(({ session, isDraining }) => [session!.requestId, isDraining]),
    [
      [1, true],
      [2, false],
      [3, true],
    ],
  )
  await clock.run(a.close())
})

test('admin: the state of replicas is asked of the leaders, also after they moved', async () => {
  const { clock, cluster, admin } = startFake({ nodes: 2 })
  cluster.createTopic('t', 2)
  const asked: number[] = []
  cluster.handlers.set('DescribeReplicas', (body: RequestOf<typeof apis.describeReplicas>, nodeId: number) => {
    asked.push(nodeId)
    const partitions = body.partitions.map(({ topic, partition }) => {
      const base = { topic, partition, errorMessage: null }
      if (cluster.partition(topic, partition).leaderId !== nodeId) {
        const none = { leaderEpoch: -1, logStartOffset: -1, highWatermark: -1, logEndOffset: -1, replicas: [] }
        return { ...base, errorCode: code('NOT_LEADER_OR_FOLLOWER'), ...none }
      }
      const replicas = [
        { nodeId, endOffset: 10, isInSync: true, caughtUpAgoMs: 0 },
        { nodeId: 8, endOffset: 7, isInSync: true, caughtUpAgoMs: 40 },
        { nodeId: 9, endOffset: -1, isInSync: false, caughtUpAgoMs: -1 },
      ]
      return { ...base, errorCode: 0, leaderEpoch: 4, logStartOffset: 2, highWatermark: 7, logEndOffset: 10, replicas }
    })
    return { partitions } satisfies ResponseOf<typeof apis.describeReplicas>
  })
  cluster.handlers.set('DescribeConfigs', () => ({
    resources: [{ type: 'topic', name: 't', errorCode: 0, errorMessage: null, configs: [] }],
  }))
  const a = admin()
  const partitions = [0, 1].map(partition => ({ topic: 't', partition }))
  const stateOf = (nodeId: number) => [
    { nodeId, endOffset: 10, lag: 0, isInSync: true, caughtUpAgoMs: 0 },
    { nodeId: 8, endOffset: 7, lag: 3, isInSync: true, caughtUpAgoMs: 40 },
    { nodeId: 9, endOffset: null, lag: null, isInSync: false, caughtUpAgoMs: null },
  ]
  const ends = { leaderEpoch: 4, logStartOffset: 2, highWatermark: 7, logEndOffset: 10 }
  const [first, second] = await clock.run(a.describeReplicas({ partitions }))
  assert.deepEqual(first, { topic: 't', partition: 0, ...ends, replicas: stateOf(1) })
  assert.deepEqual(second, { topic: 't', partition: 1, ...ends, replicas: stateOf(2) })
  cluster.moveLeader('t', 0, 2)
  assert.deepEqual((await clock.run(a.describeReplicas({ partitions })))[0]!.replicas, stateOf(2))

  cluster.kill(1)
  cluster.moveLeader('t', 1, 1)
  const [topic] = await clock.run(a.describeTopics({ topics: ['t'], includeReplicas: true, includeOffsets: false }))
  assert.deepEqual(
    topic!.partitions.map(({ highWatermark, replicaStates }) => [highWatermark, replicaStates]),
    [
      [null, stateOf(2)],
      [null, null],
    ],
    'what cannot be asked is not known, and hides nothing else',
  )
  assert.ok(!cluster.requests.some(({ api }) => api === 'ListOffsets'))
  await clock.run(a.close())
})
