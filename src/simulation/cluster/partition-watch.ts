/**
 * Looks at every replica of the data topics after each event, and at what lies on every disk. What has ever been below a
 * high watermark is committed: it has one content for ever (Kafka's log matching below the high watermark), it is on
 * every member of the ISR and of the ELR as durably as the flush policy says (StrongIsr of the replication protocol's
 * published models; KIP-966), nothing else is acknowledged with `acks` all, and nothing else is read.
 *
 * That one statement holds the others: that the high watermark is never above what enough replicas have, that nothing
 * below it is truncated, that its offsets are dense and never given again, that disks come before answers.
 */
import type { Partition } from '../../broker/partition.ts'
import type { PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { NodeCluster } from './cluster.ts'
import type { DataTopic } from './data-world.ts'
import type { Machine } from './machine.ts'
import { type BatchStamp, ReplicaFiles } from './replica-files.ts'

/** One partition, over all replicas and lives. */
interface Watched {
  readonly name: string
  readonly topic: DataTopic
  readonly partition: number
  /** Without a hole, from offset 0. */
  readonly committed: BatchStamp[]
  readonly replicas: Map<NodeId, Replica>
  image: PartitionImage | null
}

interface Replica {
  /** As durable as the flush policy says. */
  readonly durable: ReplicaFiles
  /** As the process sees it. */
  readonly seen: ReplicaFiles
  /** So many of `committed` were found in `durable`, … */
  matched: number
  /** … in this generation of it. */
  generation: number
}

export class PartitionWatch {
  readonly #cluster: NodeCluster
  readonly #watched = new Map<string, Watched>()
  /** What each replica of each life showed last. */
  readonly #shown = new WeakMap<Partition, number>()
  #imageOffset = -1

  constructor(cluster: NodeCluster) {
    this.#cluster = cluster
    for (const topic of cluster.world.data.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const name = `${topic.name}-${partition}`
        this.#watched.set(name, { name, topic, partition, committed: [], replicas: new Map(), image: null })
      }
    }
  }

  /** After every event. */
  sample(): void {
    for (const { life } of this.#cluster.machines.values()) {
      if (life === null || life.node === null) continue
      for (const partition of life.node.broker.partitions.all()) this.#sample(life.id, partition)
    }
    const { latest } = this.#cluster.history
    if (latest === null || latest.lastOffset === this.#imageOffset) return
    this.#imageOffset = latest.lastOffset
    for (const watched of this.#watched.values()) {
      watched.image = latest.topics.byName.get(watched.topic.name)?.partitions[watched.partition] ?? null
      this.#checkMembers(watched)
    }
  }

  /** Every now and then: what was right is still right. */
  checkAll(): void {
    for (const watched of this.#watched.values()) this.#checkMembers(watched)
  }

  /** A producer was told that what is below `endOffset` is on all in-sync replicas. */
  acknowledged(topic: string, partition: number, endOffset: number): void {
    const watched = this.#watched.get(`${topic}-${partition}`)!
    const account = (): string => `${watched.name} up to ${endOffset}, committed up to ${endOf(watched)}`
    hold(endOffset <= endOf(watched), 'only what is committed is acknowledged', account)
  }

  /** A consumer was handed what is below `endOffset`. */
  read(topic: string, partition: number, endOffset: number): void {
    const watched = this.#watched.get(`${topic}-${partition}`)!
    const account = (): string => `${watched.name} up to ${endOffset}, committed up to ${endOf(watched)}`
    hold(endOffset <= endOf(watched), 'only what is committed is read', account)
  }

  /** Everything that was committed, by partition: exclusive ends. */
  ends(): ReadonlyMap<string, number> {
    return new Map([...this.#watched.values()].map(watched => [watched.name, endOf(watched)]))
  }

  #sample(id: NodeId, partition: Partition): void {
    const { highWatermark } = partition
    const shown = this.#shown.get(partition) ?? 0
    if (highWatermark === shown) return
    const name = `${partition.id.topic}-${partition.id.partition}`
    hold(
      highWatermark > shown,
      'a high watermark never goes back',
      () => `${name} of ${id}: ${shown}, ${highWatermark}`,
    )
    this.#shown.set(partition, highWatermark)
    const watched = this.#watched.get(name)
    if (watched === undefined) return
    const replica = this.#replica(watched, id)
    const { seen } = replica
    seen.update(this.#cluster.machine(id).logDisk)
    const account = (): string => `${name} of ${id} has ${seen.endOffset}, its high watermark is ${highWatermark}`
    hold(seen.endOffset >= highWatermark, 'what is committed is written', account)
    this.#commit(watched, id, seen, highWatermark)
  }

  /** What this replica has below its high watermark is committed for all, or is what was committed before. */
  #commit(watched: Watched, id: NodeId, { batches }: ReplicaFiles, highWatermark: number): void {
    const { committed, name } = watched
    const before = committed.length
    for (const [i, batch] of batches.entries()) {
      if (batch.baseOffset >= highWatermark) break
      const known = committed[i]
      if (known === undefined) {
        const account = (): string => `${name} of ${id}: ${stampText(batch)} at ${endOf(watched)}`
        hold(batch.baseOffset === endOf(watched), 'offsets are dense', account)
        committed.push(batch)
      } else {
        const account = (): string => `${name} of ${id}: ${stampText(batch)}, committed ${stampText(known)}`
        hold(isSame(known, batch), 'one content below the high watermark', account)
      }
    }
    if (committed.length > before) this.#checkMembers(watched)
  }

  /** Everybody who may lead has everything, on its disk. */
  #checkMembers(watched: Watched): void {
    if (watched.image === null || watched.committed.length === 0) return
    for (const id of [...watched.image.isr, ...watched.image.elr]) this.#checkMember(watched, this.#cluster.machine(id))
  }

  #checkMember(watched: Watched, machine: Machine): void {
    const replica = this.#replica(watched, machine.id)
    const { durable } = replica
    durable.update(machine.logDisk)
    if (durable.generation !== replica.generation) replica.matched = 0
    replica.generation = durable.generation
    const { committed, name, image } = watched
    for (; replica.matched < committed.length; replica.matched++) {
      const [due, found] = [committed[replica.matched]!, durable.batches[replica.matched]]
      const account = (): string =>
        `${name} of ${machine.id}: ${found === undefined ? 'nothing' : stampText(found)} where ${stampText(due)} is due, ` +
        `ISR ${image!.isr}, ELR ${image!.elr}, leader ${image!.leaderId} in ${image!.leaderEpoch}`
      hold(found !== undefined && isSame(due, found), 'in-sync replicas have what is committed', account)
    }
  }

  #replica(watched: Watched, id: NodeId): Replica {
    let replica = watched.replicas.get(id)
    if (replica === undefined) {
      const directory = `data/${watched.name}`
      const durable = new ReplicaFiles(directory, watched.topic.flushPolicy === 'sync')
      replica = { durable, seen: new ReplicaFiles(directory, false), matched: 0, generation: 0 }
      watched.replicas.set(id, replica)
    }
    return replica
  }
}

function endOf({ committed }: Watched): number {
  return committed.at(-1)?.endOffset ?? 0
}

function isSame(a: BatchStamp, b: BatchStamp): boolean {
  return (
    a.baseOffset === b.baseOffset && a.endOffset === b.endOffset && a.leaderEpoch === b.leaderEpoch && a.crc === b.crc
  )
}

function stampText({ baseOffset, endOffset, leaderEpoch, crc }: BatchStamp): string {
  return `[${baseOffset}, ${endOffset}) of epoch ${leaderEpoch} (${crc.toString(16)})`
}
