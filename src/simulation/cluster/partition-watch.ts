/**
 * Looks at every replica of the data topics after each event, and at what lies on every disk. What has ever been below a
 * leader's high watermark is committed: it has one content for ever (Kafka's log matching below the high watermark), it is
 * on every member of the ISR and of the ELR as durably as the flush policy says (StrongIsr of the replication protocol's
 * published models; KIP-966), nothing else is acknowledged with `acks` all, and nothing else is read.
 *
 * An unclean election begins another line of what is committed, with what the new leader has of the one before; only by
 * that may anything committed be lost, or a high watermark go back.
 *
 * That one statement holds the others: that the high watermark is never above what enough replicas have, that nothing
 * below it is truncated, that its offsets are dense and never given again, that disks come before answers.
 */
import type { Partition } from '../../broker/partition.ts'
import type { MetadataImage } from '../../metadata/image.ts'
import { isReassigning } from '../../metadata/reassignment.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { NodeCluster } from './cluster.ts'
import { topicsOf } from './data-world.ts'
import type { Machine } from './machine.ts'
import { holdNotNeedless } from './needless-election.ts'
import {
  commonBatches,
  endOf,
  isSame,
  type Line,
  matchDurable,
  matchSeen,
  memberAccount,
  noteContents,
  stampText,
  type Watched,
  WatchedReplica,
} from './watched.ts'

/** Followers that join after so many batches were far behind. */
const farBehindBatches = 10

/** What a replica of one life showed last. */
interface Shown {
  role: object | null
  /** Of the line that it is in. */
  uncleanEpoch: number
  highWatermark: number
  logEndOffset: number
  /** In which it led; -1: it did not. */
  leaderEpoch: number
}

export class PartitionWatch {
  readonly #cluster: NodeCluster
  /** By topic id and partition. */
  readonly #watched = new Map<string, Watched>()
  /** Those of the topics that exist, by topic name and partition. */
  readonly #byName = new Map<string, Watched>()
  readonly #shown = new WeakMap<Partition, Shown>()
  #latest: MetadataImage | null = null

  constructor(cluster: NodeCluster) {
    this.#cluster = cluster
  }

  /** After every event. */
  sample(): void {
    // A leader that moves its high watermark because the ISR has shrunk knows the image in which it did.
    const { latest } = this.#cluster.history
    const isNew = latest !== null && latest !== this.#latest
    const before = this.#latest
    this.#latest = latest
    if (isNew) {
      this.#meetTopics(latest)
      for (const watched of this.#watched.values()) {
        const line = lineIn(watched)
        if (line !== null && before !== null) holdNotNeedless(this.#cluster, watched, { line, before, after: latest })
        this.#onImage(watched, latest)
      }
    }
    for (const { life } of this.#cluster.machines.values()) {
      if (life === null || life.node === null) continue
      for (const partition of life.node.broker.partitions.all()) this.#sample(life.id, partition)
    }
    if (isNew) this.checkAll()
  }

  /** Every now and then: what was right is still right. */
  checkAll(): void {
    for (const watched of this.#watched.values()) this.#checkMembers(watched)
  }

  /** A producer was told that what is below `endOffset` is on all in-sync replicas. */
  acknowledged(topic: string, partition: number, endOffset: number): void {
    const watched = this.#byName.get(`${topic}-${partition}`)!
    this.#holdCommitted(watched, endOffset, 'only what is committed is acknowledged')
    watched.acknowledgedEnd = Math.max(watched.acknowledgedEnd, endOffset)
  }

  /** A consumer was handed what is below `endOffset`. */
  read(topic: string, partition: number, endOffset: number): void {
    this.#holdCommitted(this.#byName.get(`${topic}-${partition}`)!, endOffset, 'only what is committed is read')
  }

  /** In any line: he who heard it may have heard it from one who does not know yet that another has begun. */
  #holdCommitted({ name, lines }: Watched, endOffset: number, what: string): void {
    const end = Math.max(...lines.map(endOf))
    hold(endOffset <= end, what, () => `${name} up to ${endOffset}, committed up to ${end}`)
  }

  /** A topic that was created anew under its name is another one. */
  #meetTopics({ topics }: MetadataImage): void {
    for (const topic of topicsOf(this.#cluster.world.data)) {
      const topicId = topics.byName.get(topic.name)?.id
      if (topicId === undefined || this.#watched.has(`${topicId} 0`)) continue
      for (let partition = 0; partition < topic.partitions; partition++) {
        const name = `${topic.name}-${partition}`
        const lines = [{ uncleanEpoch: -1, committed: [] }]
        const found = { contents: new Map(), acknowledgedEnd: 0, replicas: new Map(), image: null }
        const watched: Watched = { name, topic, topicId, partition, lines, ...found }
        this.#watched.set(`${topicId} ${partition}`, watched)
        this.#byName.set(name, watched)
      }
    }
  }

  #sample(id: NodeId, partition: Partition): void {
    const { role, highWatermark, leaderEpoch, isLeader } = partition
    const { logEndOffset } = partition.log
    let shown = this.#shown.get(partition)
    if (shown === undefined)
      this.#shown.set(
        partition,
        (shown = { role: null, uncleanEpoch: -1, highWatermark: 0, logEndOffset: 0, leaderEpoch: -1 }),
      )
    const epoch = isLeader ? leaderEpoch : -1
    const isAsShown = shown.highWatermark === highWatermark && shown.logEndOffset === logEndOffset
    if (isAsShown && shown.role === role) return
    const before = { ...shown }
    shown.role = role
    shown.highWatermark = highWatermark
    shown.logEndOffset = logEndOffset
    shown.leaderEpoch = epoch
    if (logEndOffset < before.logEndOffset) this.#cluster.sometimes.logTruncated++
    const name = `${partition.id.topic}-${partition.id.partition}`
    const watched = this.#watched.get(`${partition.id.topicId} ${partition.id.partition}`)
    if (watched === undefined) return
    if (isLeader && before.leaderEpoch === epoch) {
      const account = (): string => `${name} of ${id} in ${epoch}: ${before.highWatermark}, then ${highWatermark}`
      hold(highWatermark >= before.highWatermark, 'a high watermark never goes back in an epoch', account)
    }
    // Before it has a role it serves nobody, and what it knows may be of an older line.
    if (watched.topic.isUncleanAllowed && role === null) return
    const line = this.#lineOf(watched, id, partition)
    const { uncleanEpoch } = line
    shown.uncleanEpoch = uncleanEpoch
    if (isLeader) this.#commit(watched, line, id, highWatermark)
    const account = (): string => `${name} of ${id}: ${highWatermark}, committed ${endOf(line)} in line ${uncleanEpoch}`
    hold(highWatermark <= endOf(line), 'followers take nothing for committed that is not', account)
    matchSeen(watched, line, this.#replica(watched, id), this.#cluster.machine(id), highWatermark)
    if (!watched.topic.isUncleanAllowed) return
    noteContents(watched, this.#replica(watched, id))
    const isBack = highWatermark < before.highWatermark && uncleanEpoch === before.uncleanEpoch
    hold(!isBack, 'only an unclean election takes back what was committed', account)
  }

  /** In which this replica is by what it knows. The first leader of a line says what is left in it of the one before. */
  #lineOf(watched: Watched, id: NodeId, { leaderEpoch, isLeader }: Partition): Line {
    const { topic, topicId, partition, lines } = watched
    // Where nothing may be lost an unclean election, of the one that is all there is, loses nothing.
    if (!topic.isUncleanAllowed) return lines[0]!
    const uncleanEpoch = this.#cluster.history.uncleanEpochAt(topicId, partition, leaderEpoch)
    const known = lines.find(line => line.uncleanEpoch === uncleanEpoch)
    if (known !== undefined) return known
    if (!isLeader) return { uncleanEpoch, committed: [] }
    const { files } = this.#replica(watched, id).durable
    files.update(this.#cluster.machine(id).logDisk)
    const before = lines.findLast(line => line.uncleanEpoch < uncleanEpoch)!
    const line = { uncleanEpoch, committed: commonBatches(before.committed, files.batches) }
    lines.push(line)
    lines.sort((a, b) => a.uncleanEpoch - b.uncleanEpoch)
    if (endOf(line) < endOf(before)) this.#cluster.sometimes.committedLost++
    if (endOf(line) < watched.acknowledgedEnd) this.#cluster.sometimes.acknowledgedLost++
    watched.acknowledgedEnd = Math.min(watched.acknowledgedEnd, endOf(line))
    return line
  }

  /** What this leader has below its high watermark is committed for all from now on. */
  #commit(watched: Watched, line: Line, id: NodeId, highWatermark: number): void {
    if (highWatermark <= endOf(line)) return
    const { seen } = this.#replica(watched, id)
    seen.update(this.#cluster.machine(id).logDisk)
    const { name } = watched
    const { committed } = line
    for (let at = committed.length; at < seen.batches.length; at++) {
      const batch = seen.batches[at]!
      if (batch.baseOffset >= highWatermark) break
      hold(batch.baseOffset === endOf(line), 'offsets are dense', () => `${name} of ${id}: ${stampText(batch)}`)
      committed.push(batch)
    }
    const account = (): string => `${name} of ${id} has ${seen.endOffset}, its high watermark is ${highWatermark}`
    hold(endOf(line) >= highWatermark, 'what is committed is written', account)
    this.#checkMembers(watched)
  }

  #onImage(watched: Watched, latest: MetadataImage): void {
    const before = watched.image
    const image = latest.topics.byId.get(watched.topicId)?.partitions[watched.partition] ?? null
    watched.image = image
    if (image === null || before === null || before === image) return
    const { sometimes } = this.#cluster
    if (
      isReassigning(before) &&
      !isReassigning(image) &&
      before.addingReplicas.every(id => image.replicas.includes(id))
    )
      sometimes.moveDone++
    const committedCount = lineIn(watched)?.committed.length ?? 0
    for (const id of before.isr) {
      if (image.isr.includes(id)) continue
      sometimes.isrShrank++
      this.#replica(watched, id).leftAt = committedCount
    }
    for (const id of image.isr) {
      if (before.isr.includes(id)) continue
      sometimes.isrExpanded++
      if (committedCount - this.#replica(watched, id).leftAt > farBehindBatches) sometimes.caughtUpFromFar++
    }
    const { leaderId, leaderEpoch } = image
    if (leaderEpoch === before.leaderEpoch || leaderId === null) return
    if (leaderId !== before.leaderId) sometimes.partitionMoved++
    if (!before.isr.includes(leaderId) && before.elr.includes(leaderId)) sometimes.electedFromElr++
    if (this.#leadsStill(watched, before.leaderId, before.leaderEpoch)) sometimes.leaderSuperseded++
  }

  /** It does not know yet that another epoch has begun. */
  #leadsStill({ topicId, partition }: Watched, id: NodeId | null, epoch: number): boolean {
    const node = id === null ? null : this.#cluster.machine(id).life?.node
    for (const found of node?.broker.partitions.all() ?? []) {
      if (found.id.topicId === topicId && found.id.partition === partition)
        return found.isLeader && found.leaderEpoch === epoch
    }
    return false
  }

  /** Everybody who may lead has everything, on its disk. */
  #checkMembers(watched: Watched): void {
    const line = lineIn(watched)
    if (watched.image === null || line === null || line.committed.length === 0) return
    const { isr, elr } = watched.image
    for (const id of [...isr, ...elr]) this.#checkMember(watched, line, this.#cluster.machine(id))
  }

  #checkMember(watched: Watched, line: Line, machine: Machine): void {
    const replica = this.#replica(watched, machine.id)
    const { topic } = watched
    // It is not counted on until it has registered anew, and was asked what it has.
    const incarnationId = this.#latest?.brokers.get(machine.id)?.incarnationId
    if (incarnationId !== undefined) {
      if (machine.disowned.has(incarnationId)) return
      if (topic.flushPolicy === 'os' && machine.distrusted.has(incarnationId)) return
    }
    const missing = matchDurable(line, replica, machine)
    if (missing === null) return
    const account = (): string => memberAccount(watched, machine.id, missing)
    hold(isSame(missing.due, missing.found), 'in-sync replicas have what is committed', account)
  }

  #replica(watched: Watched, id: NodeId): WatchedReplica {
    let replica = watched.replicas.get(id)
    if (replica === undefined) watched.replicas.set(id, (replica = new WatchedReplica(watched)))
    return replica
  }
}

/** The line that the newest metadata are about; `null` before anybody led in it. */
function lineIn({ topic, image, lines }: Watched): Line | null {
  if (!topic.isUncleanAllowed) return lines[0]!
  return lines.find(({ uncleanEpoch }) => uncleanEpoch === image?.uncleanEpoch) ?? null
}
