/** Random histories against a naive model of what requests mean, and invariants that hold after each decision. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ClusterImage, emptyImage } from '../../src/metadata/cluster-image.ts'
import type { PartitionImage } from '../../src/metadata/image.ts'
import { replayAll } from '../../src/metadata/replay.ts'
import { errorName } from '../../src/protocol/errors.ts'
import { runs } from '../support/depth.ts'
import { bootstrap, decide, defaults, historyLimits, type Operation, operation, type Topic } from './history.ts'

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
    default: {
      const broker = model.brokers.get(op.id)
      if (broker === undefined) return
      if (op.kind === 'drain' || op.kind === 'end drain') broker.isDraining = op.kind === 'drain'
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
      { partitions: partitions.length, replicas: partitions[0]!.replicas.length, configs: new Map(configs) },
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

/** Only the in-sync lead, only the living are in sync, and whoever can lead does. */
function checkPartition(image: ClusterImage, { replicas, isr, elr, leaderId }: PartitionImage): void {
  const isAlive = (id: number): boolean => image.brokers.get(id as never)?.isFenced === false
  assert(leaderId === null || isr.includes(leaderId))
  const isFit = (id: number): boolean => isAlive(id) && !image.brokers.get(id as never)!.isUnfit
  assert(isr.every(isAlive), 'nobody fenced is in sync')
  if ([...isr, ...elr].some(isFit)) assert(isr.every(isFit), 'nobody unfit is in sync where others can be')
  assert(isr.every(id => replicas.includes(id)) && elr.every(id => replicas.includes(id)))
  assert(isr.length + elr.length > 0, 'somebody has every committed record')
  if (leaderId === null) assert(![...isr, ...elr].some(isAlive), 'a partition that can have a leader has one')
}

/** FAULTS.md, invariant 26: the leader epoch rises with every change of leader, only the in-sync and eligible lead. */
function checkChange(before: PartitionImage, after: PartitionImage): void {
  if (before === after) return
  assert(after.partitionEpoch > before.partitionEpoch)
  assert(after.leaderEpoch >= before.leaderEpoch)
  if (after.leaderId !== before.leaderId) assert(after.leaderEpoch > before.leaderEpoch)
  if (after.leaderId !== null) assert([...before.isr, ...before.elr].includes(after.leaderId))
}

test('decisions mean what the requests say, replay takes their records, and partitions stay sound', () => {
  let decisions = 0
  let elections = 0
  fc.assert(
    fc.property(fc.array(operation, { minLength: 20, maxLength: 100 }), operations => {
      const model = new Model()
      let image = replayAll(emptyImage, [bootstrap])
      for (const op of operations) {
        const outcome = decide(image, op)
        const next = replayAll(image, outcome.records)
        checkAnswer(model, op, outcome)
        checkSame(model, next)
        for (const topic of next.topics.byId.values()) {
          for (const [at, partition] of topic.partitions.entries()) {
            checkPartition(next, partition)
            const before = image.topics.byId.get(topic.id)?.partitions[at]
            if (before !== undefined) checkChange(before, partition)
            if (before !== undefined && before.leaderId !== partition.leaderId) elections++
          }
        }
        decisions++
        image = next
      }
    }),
    { numRuns: runs(300) },
  )
  assert(decisions > 5_000 && elections > 100, 'the histories had something in them')
})
