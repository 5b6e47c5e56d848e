/** A partition as the watch knows it: what is committed, and how far that was found on each of its disks. */
import type { PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { DataTopic } from './data-world.ts'
import type { Machine } from './machine.ts'
import { type BatchStamp, ReplicaFiles } from './replica-files.ts'

/**
 * What is committed from one unclean election to the next, which may take some of it away. Whoever has not heard of that
 * yet goes on in the line before.
 */
export interface Line {
  /** The leader epoch with which it began; -1 for the first. */
  readonly uncleanEpoch: number
  /** Without a hole, from offset 0. */
  readonly committed: BatchStamp[]
}

/** One partition, over all replicas and lives. */
export interface Watched {
  readonly name: string
  readonly topic: DataTopic
  readonly topicId: string
  readonly partition: number
  /** In the order in which they began; each from when its first leader leads. */
  readonly lines: Line[]
  /** Of every batch that was on any replica, by offset and leader epoch. */
  readonly contents: Map<string, BatchStamp>
  /** End of what was acknowledged and is not known to be lost. */
  acknowledgedEnd: number
  readonly replicas: Map<NodeId, WatchedReplica>
  image: PartitionImage | null
}

/** What was compared of one view of a disk. */
interface Matched {
  readonly files: ReplicaFiles
  line: Line | null
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
  /** So many of the visible batches were looked at, and in which generation of them. */
  readonly noted = { count: 0, generation: 0 }

  constructor({ name, topic }: { readonly name: string; readonly topic: DataTopic }) {
    const directory = `data/${name}`
    this.durable = {
      files: new ReplicaFiles(directory, topic.flushPolicy === 'sync'),
      line: null,
      count: 0,
      generation: 0,
    }
    this.visible = { files: new ReplicaFiles(directory, false), line: null, count: 0, generation: 0 }
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
export function matchDurable(line: Line, { durable }: WatchedReplica, { logDisk }: Machine): Missing | null {
  const { committed } = line
  durable.files.update(logDisk)
  restart(durable, line)
  for (; durable.count < committed.length; durable.count++) {
    const [due, found] = [committed[durable.count]!, durable.files.batches[durable.count] ?? null]
    if (!isSame(due, found)) return { due, found }
  }
  return null
}

/** What a replica takes for committed is what is; a follower may not have written all of it yet. */
export function matchSeen(
  watched: Watched,
  line: Line,
  { visible }: WatchedReplica,
  machine: Machine,
  highWatermark: number,
): void {
  const { name } = watched
  const { committed } = line
  visible.files.update(machine.logDisk)
  restart(visible, line)
  for (; visible.count < visible.files.batches.length; visible.count++) {
    const [due, found] = [committed[visible.count], visible.files.batches[visible.count]!]
    if (due === undefined || found.baseOffset >= highWatermark) return
    const account = (): string => `${name} of ${machine.id}: ${stampText(found)}, committed ${stampText(due)}`
    hold(isSame(due, found), 'one content below the high watermark', account)
  }
}

/** What was compared is no more what is there, or not what it is to be compared with. */
function restart(matched: Matched, line: Line): void {
  if (matched.files.generation !== matched.generation || matched.line !== line) matched.count = 0
  matched.generation = matched.files.generation
  matched.line = line
}

/** An offset is given once in a leader epoch, whatever becomes of it. */
export function noteContents({ name, contents }: Watched, { visible: { files }, noted }: WatchedReplica): void {
  if (files.generation !== noted.generation) noted.count = 0
  noted.generation = files.generation
  for (; noted.count < files.batches.length; noted.count++) {
    const batch = files.batches[noted.count]!
    const place = `${batch.baseOffset} ${batch.leaderEpoch}`
    const known = contents.get(place) ?? batch
    const account = (): string => `${name}: ${stampText(known)} and ${stampText(batch)}`
    hold(isSame(known, batch), 'an offset of an epoch has one content', account)
    contents.set(place, batch)
  }
}

/** What both have from the beginning. */
export function commonBatches(one: readonly BatchStamp[], other: readonly BatchStamp[]): BatchStamp[] {
  const differs = one.findIndex((batch, at) => !isSame(batch, other[at] ?? null))
  return one.slice(0, differs < 0 ? one.length : differs)
}

/** Exclusive end of what is committed. */
export function endOf({ committed }: Line): number {
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
