/** Random histories against a naive model of what requests mean, and invariants that hold after each decision. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import { minIsrOf } from '../../src/metadata/election.ts'
import type { PartitionImage, TopicImage } from '../../src/metadata/image.ts'
import { finalReplicas } from '../../src/metadata/reassignment.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { electionTermsOf } from '../../src/metadata/settle.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { toNodeId } from '../../src/util/numbers.ts'
import { runs } from '../support/depth.ts'
import {
  bootstrap,
  decide,
  defaults,
  electionDefaults,
  history,
  historyLimits,
  type Operation,
  type Topic,
} from './history.ts'

interface ModelBroker {
  incarnation: number
  isFenced: boolean
  isDraining: boolean
  isUnfit: boolean
}

/** The words of the request, carried out on plain maps. */
class Model {
  readonly topics = new Map<string, { partitions: number; replicas: number; configs: Map<string, string> }>()
  readonly brokers = new Map<number, ModelBroker>()
  readonly answered = new Map<string, { requestId: number; response: unknown }>()

  available(): number {
    return [...this.brokers.values()].filter(b => !b.isFenced && !b.isDraining && !b.isUnfit).length
  }

  /** The error each topic of a request meets; creates those that meet none. */
  create(topics: readonly Topic[]): (string | null)[] {
    return topics.map(topic => {
      const isTwice = topics.filter(other => other.name === topic.name).length > 1
      const clash = [...this.topics.keys()].find(n => n.replaceAll('.', '_') === topic.name.replaceAll('.', '_'))
      const partitions = topic.numPartitions === -1 ? defaults.numPartitions : topic.numPartitions
      const replicas = topic.replicationFactor === -1 ? defaults.replicationFactor : topic.replicationFactor
      if (topic.name === '..') return 'INVALID_TOPIC_EXCEPTION'
      if (isTwice) return 'INVALID_REQUEST'
      if (clash !== undefined) return clash === topic.name ? 'TOPIC_ALREADY_EXISTS' : 'INVALID_TOPIC_EXCEPTION'
      if (partitions < 1) return 'INVALID_PARTITIONS'
      if (replicas > this.available()) return 'INVALID_REPLICATION_FACTOR'
      if (topic.configs.some(config => config.key === 'no.such')) return 'INVALID_CONFIG'
      this.topics.set(topic.name, { partitions, replicas, configs: new Map(topic.configs.map(c => [c.key, c.value])) })
      return null
    })
  }

  grow(name: string, count: number): string | null {
    const topic = this.topics.get(name)
    if (topic === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
    if (count <= topic.partitions) return 'INVALID_PARTITIONS'
    if (topic.replicas > this.available()) return 'INVALID_REPLICATION_FACTOR'
    topic.partitions = count
    return null
  }

  configure(name: string, key: string, value: string | null): string | null {
    const topic = this.topics.get(name)
    if (topic === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
    if (key === 'bogus') return 'INVALID_CONFIG'
    if (value === null) topic.configs.delete(key)
    else topic.configs.set(key, value)
    return null
  }

  register(id: number, incarnation: number): string | null {
    const broker = this.brokers.get(id)
    if (broker === undefined && this.brokers.size >= historyLimits.brokersMax) return 'POLICY_VIOLATION'
    if (broker?.incarnation === incarnation) broker.isFenced = false
    else this.brokers.set(id, { incarnation, isFenced: false, isDraining: false, isUnfit: false })
    return null
  }
}

interface Items {
  topics?: { errorCode: number }[]
  resources?: { errorCode: number }[]
}

const errorsOf = (response: unknown): (string | null)[] =>
  ((response as Items).topics ?? (response as Items).resources!).map(item => errorName(item.errorCode))

/** Carries out `op` in the model and checks what the decision answered; returns nothing for a request seen before. */
function checkAnswer(model: Model, op: Operation, outcome: ReturnType<typeof decide>): void {
  if ('session' in op && op.session !== null) {
    const { clientId, requestId } = op.session
    const seen = model.answered.get(clientId)
    if (seen !== undefined && requestId < seen.requestId) {
      assert.equal(outcome.failure?.error, 'INVALID_REQUEST')
      return
    }
    if (seen?.requestId === requestId) {
      assert.deepEqual(outcome.records, [])
      // The model does not tell kinds of requests apart; the decision refuses a number used for two.
      if (outcome.failure === null) assert.deepEqual(outcome.response, seen.response)
      return
    }
    model.answered.delete(clientId)
    model.answered.set(clientId, { requestId, response: outcome.response })
    const [oldest] = model.answered.keys()
    if (model.answered.size > historyLimits.sessionsMax) model.answered.delete(oldest!)
  }
  switch (op.kind) {
    case 'create':
      assert.deepEqual(errorsOf(outcome.response), model.create(op.topics))
      break
    case 'delete': {
      const isThere = model.topics.delete(op.name)
      assert.deepEqual(errorsOf(outcome.response), [isThere ? null : 'UNKNOWN_TOPIC_OR_PARTITION'])
      break
    }
    case 'grow':
      assert.deepEqual(errorsOf(outcome.response), [model.grow(op.name, op.count)])
      break
    case 'configure':
      assert.deepEqual(errorsOf(outcome.response), [model.configure(op.name, op.key, op.value)])
      break
    case 'register':
      assert.equal(outcome.failure?.error ?? null, model.register(op.id, op.incarnation))
      break
    case 'alter':
    case 'move':
    case 'elect':
      break
    default: {
      const broker = model.brokers.get(op.id)
      if (broker === undefined) return
      if (op.kind === 'drain' || op.kind === 'end drain') broker.isDraining = op.kind === 'drain'
      else if (op.kind === 'fail') return
      else if (op.kind === 'shut down') broker.isUnfit ||= !broker.isFenced
      else {
        broker.isFenced = op.kind === 'fence'
        if (op.kind !== 'fence') broker.isUnfit = op.kind === 'hear unfit'
      }
    }
  }
}

function checkSame(model: Model, image: ClusterImage): void {
  const topics = new Map(
    [...image.topics.byName].map(([name, { partitions, configs }]) => [
      name,
      { partitions: partitions.length, replicas: finalReplicas(partitions[0]!).length, configs: new Map(configs) },
    ]),
  )
  assert.deepEqual(topics, model.topics)
  const brokers = [...image.brokers.values()].map(({ nodeId, incarnationId, isFenced, isDraining, isUnfit }) => {
    const broker: ModelBroker = { incarnation: Number(incarnationId.slice(1)), isFenced, isDraining, isUnfit }
    return [nodeId as number, broker] as const
  })
  assert.deepEqual(new Map(brokers), model.brokers)
  assert.deepEqual(new Set(image.sessions.byClient.keys()), new Set(model.answered.keys()))
}

/** Who holds a partition is for moves to say: the model takes it from there. */
function learnReplicas(model: Model, image: ClusterImage): void {
  for (const [name, { partitions }] of image.topics.byName)
    model.topics.get(name)!.replicas = finalReplicas(partitions[0]!).length
}

/** Only the in-sync lead, only the living are in sync, and whoever can lead does. */
function checkPartition(image: ClusterImage, topic: TopicImage, partition: PartitionImage): void {
  const { replicas, isr, elr, leaderId, addingReplicas, removingReplicas, offlineReplicas } = partition
  const isAlive = (id: number): boolean =>
    image.brokers.get(id as never)?.isFenced === false && !offlineReplicas.includes(id as never)
  assert(leaderId === null || isr.includes(leaderId))
  const isFit = (id: number): boolean => isAlive(id) && !image.brokers.get(id as never)!.isUnfit
  assert(isr.every(isAlive), 'nobody fenced or with a failed disk is in sync')
  if ([...isr, ...elr].some(isFit)) assert(isr.every(isFit), 'nobody unfit is in sync where others can be')
  assert(isr.every(id => replicas.includes(id)) && elr.every(id => replicas.includes(id)))
  assert(isr.length + elr.length > 0, 'somebody has every committed record')
  const { minInsyncReplicas } = electionTermsOf(topic, electionDefaults)
  if (isr.length >= minIsrOf(partition, minInsyncReplicas))
    assert.deepEqual(elr, [], 'nobody is eligible beside enough')
  assert(addingReplicas.every(id => replicas.includes(id) && !removingReplicas.includes(id)))
  assert(removingReplicas.every(id => replicas.includes(id)) && finalReplicas(partition).length > 0)
  if (leaderId === null) assert(![...isr, ...elr].some(isAlive), 'a partition that can have a leader has one')
}

/**
 * One decision is one step: the leader epoch rises with every change of leader, by one, as the partition epoch does with
 * every change. Only the in-sync and the eligible lead, or it is said that it is not so.
 */
function checkChange(op: Operation, before: PartitionImage, after: PartitionImage): void {
  if (before === after) return
  assert.equal(after.partitionEpoch, before.partitionEpoch + 1)
  const reigns = after.leaderEpoch - before.leaderEpoch
  assert(reigns === 0 || reigns === 1)
  if (after.leaderId !== before.leaderId) assert.equal(reigns, 1)
  const isUnclean = after.uncleanEpoch !== before.uncleanEpoch
  if (isUnclean) assert.equal(after.uncleanEpoch, after.leaderEpoch)
  const hadAll = [...before.isr, ...before.elr, ...(op.kind === 'alter' ? op.members : [])]
  if (after.leaderId !== null && !isUnclean) assert(hadAll.includes(after.leaderId))
}

/** A broker that is back without its logs is in sync or eligible only where nobody else is, and leads only unclean. */
function checkDistrust(op: Operation, before: ClusterImage, after: ClusterImage, partition: PartitionImage): void {
  if (op.kind !== 'register' || op.hasItsLogs) return
  const id = toNodeId(op.id)
  if (before.brokers.get(id)?.epoch === after.brokers.get(id)?.epoch) return
  const complete = [...partition.isr, ...partition.elr]
  if (complete.includes(id)) assert.deepEqual(complete, [id])
  if (partition.leaderId === id) assert.equal(partition.uncleanEpoch, partition.leaderEpoch)
}

test('decisions mean what the requests say, replay takes their records, and partitions stay sound', () => {
  let decisions = 0
  let elections = 0
  let moves = 0
  fc.assert(
    fc.property(history, operations => {
      const model = new Model()
      let image = replayAll(emptyImage, [bootstrap])
      for (const op of operations) {
        const outcome = decide(image, op)
        const next = replayAll(image, outcome.records)
        checkAnswer(model, op, outcome)
        if (op.kind === 'move') learnReplicas(model, next)
        checkSame(model, next)
        for (const topic of next.topics.byId.values()) {
          for (const [at, partition] of topic.partitions.entries()) {
            checkPartition(next, topic, partition)
            checkDistrust(op, image, next, partition)
            const before = image.topics.byId.get(topic.id)?.partitions[at]
            if (before !== undefined) checkChange(op, before, partition)
            if (before !== undefined && before.replicas !== partition.replicas) moves++
            if (before !== undefined && before.leaderId !== partition.leaderId) elections++
          }
        }
        decisions++
        image = next
      }
    }),
    { numRuns: runs(300) },
  )
  assert(
    decisions > 5_000 && elections > 100 && moves > 50,
    `${decisions} decisions, ${elections} elections, ${moves} moves`,
  )
})
