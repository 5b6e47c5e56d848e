/** Stories of elections, most of them unclean, in clusters of whole nodes that random faults take long to tell, under the same watch. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin } from '../../src/client/admin/admin.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import type { Assignment, EpochStart } from '../../src/client/consumer/types.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { socketConnect } from '../../src/client/socket-connect.ts'
import { ClientMachine } from '../../src/simulation/cluster/client-machine.ts'
import { NodeCluster } from '../../src/simulation/cluster/cluster.ts'
import { type ClusterRules, soundClusterRules } from '../../src/simulation/cluster/cluster-rules.ts'
import { between, type Cut, isolating } from '../../src/simulation/cluster/cuts.ts'
import { configsOf, type DataTopic } from '../../src/simulation/cluster/data-world.ts'
import { clientUrlOf } from '../../src/simulation/cluster/machine.ts'
import { PartitionWatch } from '../../src/simulation/cluster/partition-watch.ts'
import { drawProfile } from '../../src/simulation/cluster/profiles.ts'
import { Trace } from '../../src/simulation/quorum/trace.ts'
import { type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { turns } from '../support/turns.ts'

const [controller, two, three, four] = [1, 2, 3, 4].map(toNodeId) as [NodeId, NodeId, NodeId, NodeId]
const client = toNodeId(101)
/** Longer than high watermarks wait to be written down. */
const writtenDownMs = 6_000

const synced: DataTopic = {
  name: 'd1',
  partitions: 1,
  replicationFactor: 3,
  minInsyncReplicas: 2,
  flushPolicy: 'sync',
  segmentBytes: 1_000_000,
  maxMessageBytes: null,
  isUncleanAllowed: true,
}

class Story {
  readonly cluster: NodeCluster
  readonly #topic: DataTopic
  readonly #watch: PartitionWatch
  readonly #machine: ClientMachine

  private constructor(topic: DataTopic, rules: ClusterRules) {
    this.#topic = topic
    const drawn = drawProfile('leaders', seededRandom(1))
    const world = { ...drawn, lagMsMax: 500, data: { ...drawn.data, topics: [topic], shortLived: null } }
    this.cluster = new NodeCluster({ world, random: seededRandom(1), trace: new Trace(100, null), rules })
    this.#watch = new PartitionWatch(this.cluster)
    this.#machine = new ClientMachine(client, this.cluster, seededRandom(1))
  }

  /** Everybody is there, and has two records. */
  static async begin(topic: DataTopic, rules: ClusterRules): Promise<Story> {
    const story = new Story(topic, rules)
    const { ids, machines } = story.cluster
    for (const id of ids) story.cluster.start(id)
    await story.until('everybody', () => [...machines.values()].every(({ life }) => life?.isServing === true))
    await story.#create()
    await story.done('records', story.produce(2, 'all'))
    return story
  }

  /** Goes on, watched, until it is so. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    const { timeline } = this.cluster
    const lastMs = timeline.nowMs + 60_000
    await turns(() => {
      try {
        this.#watch.sample()
      } catch (error) {
        this.cluster.fail(error)
      }
      return this.cluster.failure === null && !isSo() && timeline.nowMs < lastMs && timeline.step()
    })
    if (this.cluster.failure !== null) throw this.cluster.failure
    assert(isSo(), `in a minute: ${what}`)
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.cluster.timeline.nowMs + ms
    this.cluster.timeline.after(ms, () => {})
    await this.until('time passes', () => this.cluster.timeline.nowMs >= endMs)
  }

  async done(what: string, work: Promise<unknown>): Promise<void> {
    let isDone = false
    work.then(
      () => (isDone = true),
      error => this.cluster.fail(error),
    )
    await this.until(what, () => isDone)
  }

  async #create(): Promise<void> {
    const options = this.#machine.options()
    const { name, partitions: numPartitions, replicationFactor } = this.#topic
    const topics = [{ name, numPartitions, replicationFactor, configs: configsOf(this.#topic) }]
    await this.done('a topic', new Admin(options, socketConnect(options)).createTopics({ topics }))
  }

  produce(count: number, acks: 'all' | 1): Promise<unknown> {
    const options = { ...this.#machine.options(this.#machine.everywhere()), acks }
    const producer = new Producer(options, socketConnect(options))
    const messages = Array.from({ length: count }, (_, i) => ({ partition: 0, value: String(i) }))
    return producer.send({ topic: this.#topic.name, messages })
  }

  /** Of one who knows a single node at first. */
  consumer(known: NodeId, from: Omit<Assignment, 'topic' | 'partition'>, until?: 'end'): Consumer {
    const options = this.#machine.options([clientUrlOf(known)])
    const assignments = [{ topic: this.#topic.name, partition: 0, ...from }]
    return new Consumer({ ...options, assignments, until }, socketConnect(options))
  }

  cut(isCut: Cut): void {
    const { ids, links } = this.cluster
    for (const from of ids) for (const to of ids) if (isCut(from, to)) links.cut(from, to)
  }

  get standing() {
    return this.cluster.history.latest!.topics.byName.get(this.#topic.name)!.partitions[0]!
  }

  replica(id: NodeId) {
    return [...(this.cluster.machine(id).life?.node?.broker.partitions.all() ?? [])][0]
  }
}

/**
 * A follower knows records to be committed and has written that down; an unclean leader without them has others in their place,
 * which it cannot commit; and the follower dies as soon as it has those.
 */
async function replacedAndRestarted(rules: ClusterRules): Promise<Story> {
  const story = await Story.begin(synced, rules)
  const { cluster } = story
  story.cut(isolating(four))
  await story.until('an ISR without the fourth', () => !story.standing.isr.includes(four))
  await story.done('records', story.produce(3, 'all'))
  await story.pass(writtenDownMs)
  assert.equal(story.replica(three)!.highWatermark, 5)
  for (const id of [two, three]) cluster.crash(id)
  cluster.mend()
  await story.until('an unclean leader', () => story.standing.uncleanEpoch >= 0)
  await story.until('that it knows', () => story.replica(four)!.isLeader)
  await story.done('other records', story.produce(6, 1))
  // Nobody is let in: with one in sync nothing is committed.
  cluster.links.cut(four, controller)
  cluster.start(three)
  await story.until('what the leader has', () => story.replica(three)?.log.durableEndOffset === 8)
  cluster.crash(three)
  cluster.start(three)
  await story.until('the next life', () => story.replica(three)?.role != null)
  await story.pass(500)
  return story
}

test('what an unclean leader has in the place of committed records is not committed after a crash', async () => {
  const story = await replacedAndRestarted(soundClusterRules)
  assert.equal(story.replica(three)!.log.logEndOffset, 8)
  assert(story.replica(three)!.highWatermark <= 2)
})

test('planted bug: without cutsLowerCheckpoints it would be, and the watch sees it', async () => {
  const message = /followers take nothing for committed that is not/
  await assert.rejects(replacedAndRestarted({ ...soundClusterRules, cutsLowerCheckpoints: false }), { message })
})

/** The last in sync lives, and its disk fails the partition. */
async function failedUnderItsLeader(isUncleanAllowed: boolean, rules = soundClusterRules): Promise<Story> {
  const story = await Story.begin({ ...synced, flushPolicy: 'os', minInsyncReplicas: 1, isUncleanAllowed }, rules)
  const { cluster } = story
  const leaderId = story.standing.leaderId!
  for (const id of [two, three, four]) if (id !== leaderId) story.cut(between(leaderId, id))
  await story.done('records', story.produce(3, 1))
  await story.until('nobody else in sync', () => story.standing.isr.length === 1)
  const { logDisk } = cluster.machine(leaderId)
  logDisk.intercept = ({ kind, path }) => (kind === 'write' && path.endsWith('.log') ? 'EIO' : null)
  story.produce(1, 'all').catch(() => undefined)
  await story.until('a failed log', () => story.replica(leaderId)!.log.failure !== null)
  await story.until('another reign', () => story.standing.leaderEpoch > 0)
  assert.deepEqual(story.standing.offlineReplicas, [leaderId])
  assert.equal(cluster.history.latest!.brokers.get(leaderId)!.isFenced, false)
  return story
}

test('a leader whose disk failed is replaced by an unclean one, where that is allowed', async () => {
  const { standing } = await failedUnderItsLeader(true)
  assert.notEqual(standing.leaderId, null)
  assert.equal(standing.uncleanEpoch, standing.leaderEpoch)
})

test('and by nobody where it is not: what it has may be all there is', async () => {
  const { standing } = await failedUnderItsLeader(false)
  assert.deepEqual([standing.leaderId, standing.isr, standing.elr], [null, [], standing.offlineReplicas])
})

test('planted bug: without failedReplicasAreTold nobody replaces it', async () => {
  const telling = failedUnderItsLeader(true, { ...soundClusterRules, failedReplicasAreTold: false })
  await assert.rejects(telling, { message: 'in a minute: another reign' })
})

/**
 * A leader is cut off and replaced, and has not heard of it, when somebody who has read what its successor committed comes to it first.
 */
async function resumedAtFormerLeader(epochs: readonly EpochStart[], rules = soundClusterRules): Promise<void> {
  const story = await Story.begin({ ...synced, isUncleanAllowed: false }, rules)
  const formerId = story.standing.leaderId!
  story.cut(isolating(formerId))
  await story.until('a successor', () => story.standing.leaderEpoch === 1 && story.standing.leaderId !== null)
  await story.done('records', story.produce(3, 'all'))
  await story.done('another record', story.produce(1, 'all'))
  assert.deepEqual([story.replica(formerId)!.isLeader, story.replica(formerId)!.log.logEndOffset], [true, 2])
  const reading = story.consumer(formerId, { offset: 5, epochs }).batches()
  const read = reading.next().then(({ value }) => {
    assert.deepEqual(
      value?.records.map(({ offset }) => offset),
      [5],
    )
  })
  await story.done('the record behind', read)
  const toEnd = story.consumer(formerId, { offset: 6, epochs }, 'end').batches()
  await story.done('nothing, which is no fault', toEnd.next())
}

for (const epochs of [[{ epoch: 1, startOffset: 4 }], []]) {
  const known = epochs.length === 0 ? 'no epoch' : 'the epoch'
  test(`who resumes with ${known} at a leader that was replaced goes on with its successor`, () =>
    resumedAtFormerLeader(epochs))

  test(`planted bug: without truncationIsToldByLeaders who knows ${known} is told that records are gone`, async () => {
    const telling = resumedAtFormerLeader(epochs, { ...soundClusterRules, truncationIsToldByLeaders: false })
    await assert.rejects(telling, { code: epochs.length === 0 ? 'OFFSET_OUT_OF_RANGE' : 'LOG_TRUNCATED' })
  })
}
