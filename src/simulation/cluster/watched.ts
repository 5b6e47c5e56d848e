/** A partition as the watch knows it: what is committed, and how far that was found on each of its disks. */
import type { PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { DataTopic } from './data-world.ts'
import type { Machine } from './machine.ts'
import { type BatchStamp, ReplicaFiles } from './replica-files.ts'

/** One partition, over all replicas and lives. */
export interface Watched {
  readonly name: string
  readonly topic: DataTopic
  readonly topicId: string
  readonly partition: number
  /** Without a hole, from offset 0. */
  readonly committed: BatchStamp[]
  readonly replicas: Map<NodeId, WatchedReplica>
  image: PartitionImage | null
}

/** What was compared of one view of a disk. */
interface Matched {
  readonly files: ReplicaFiles
  /** So many of the committed batches were found in them, … */
  count: number
  /** … in this generation of them. */
  generation: number
}

export class WatchedReplica {
  /** As durable as the flush policy says. */
  readonly durable: Matched
  /** As the process sees it. */
  readonly visible: Matched
  /** Committed batches when it left the ISR. */
  leftAt = 0

  constructor({ name, topic }: { readonly name: string; readonly topic: DataTopic }) {
    const directory = `data/${name}`
    this.durable = { files: new ReplicaFiles(directory, topic.flushPolicy === 'sync'), count: 0, generation: 0 }
    this.visible = { files: new ReplicaFiles(directory, false), count: 0, generation: 0 }
  }

  get seen(): ReplicaFiles {
    return this.visible.files
  }
}

export interface Missing {
  readonly due: BatchStamp
  readonly found: BatchStamp | null
}

/** The first committed batch that its disk does not certainly have; `null`: it has them all. */
export function matchDurable(
  { committed }: Watched,
  { durable }: WatchedReplica,
  { logDisk }: Machine,
): Missing | null {
  durable.files.update(logDisk)
  restart(durable)
  for (; durable.count < committed.length; durable.count++) {
    const [due, found] = [committed[durable.count]!, durable.files.batches[durable.count] ?? null]
    if (!isSame(due, found)) return { due, found }
  }
  return null
}

/** What a replica takes for committed is what is; a follower may not have written all of it yet. */
export function matchSeen(
  watched: Watched,
  { visible }: WatchedReplica,
  machine: Machine,
  highWatermark: number,
): void {
  const { committed, name } = watched
  visible.files.update(machine.logDisk)
  restart(visible)
  for (; visible.count < visible.files.batches.length; visible.count++) {
    const [due, found] = [committed[visible.count], visible.files.batches[visible.count]!]
    if (due === undefined || found.baseOffset >= highWatermark) return
    const account = (): string => `${name} of ${machine.id}: ${stampText(found)}, committed ${stampText(due)}`
    hold(isSame(due, found), 'one content below the high watermark', account)
  }
}

/** What was compared is no more what is there. */
function restart(matched: Matched): void {
  if (matched.files.generation !== matched.generation) matched.count = 0
  matched.generation = matched.files.generation
}

/** Exclusive end of what is committed. */
export function endOf({ committed }: Watched): number {
  return committed.at(-1)?.endOffset ?? 0
}

export function isSame(a: BatchStamp, b: BatchStamp | null): boolean {
  if (b === null) return false
  const isPlaceSame = a.baseOffset === b.baseOffset && a.endOffset === b.endOffset
  return isPlaceSame && a.leaderEpoch === b.leaderEpoch && a.crc === b.crc
}

export function memberAccount({ name, image }: Watched, id: NodeId, { due, found }: Missing): string {
  const there = found === null ? 'nothing' : stampText(found)
  const { isr, elr, leaderId, leaderEpoch } = image!
  const members = `ISR ${isr}, ELR ${elr}, leader ${leaderId} in ${leaderEpoch}`
  return `${name} of ${id}: ${there} where ${stampText(due)} is due; ${members}`
}

export function stampText({ baseOffset, endOffset, leaderEpoch, crc }: BatchStamp): string {
  return `[${baseOffset}, ${endOffset}) of epoch ${leaderEpoch} (${crc.toString(16)})`
}
