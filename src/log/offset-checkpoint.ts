/**
 * One offset for each log of a data directory, in one small file that is replaced whole. Kafka's lines, with the topic id
 * in each (a topic created anew does not inherit what was said of its predecessor) and a CRC behind them. There are two:
 *
 * - recovery points: up to where a log is known to be on disk, indexes and all. The start after a crash scans from
 *   there, and damage before it is never taken for a torn tail.
 * - high watermarks: up to where a replica knew its records to be committed.
 */
import type { Offset } from '../util/numbers.ts'
import { checkedLines, replaceFile, withCrc } from './atomic-file.ts'
import type { Disk } from './disk.ts'
import { diskFull, isNoSpace } from './failures.ts'
import type { SyncScheduler } from './sync-scheduler.ts'
import type { TopicPartition } from './types.ts'

const version = '1'

export class OffsetCheckpoint {
  readonly #disk: Disk
  readonly #syncs: SyncScheduler
  readonly #path: string
  readonly #offsets: Map<string, Offset>
  /** False if the file was damaged: then nothing is known of any log. */
  readonly wasSound: boolean
  #isChanged = false
  /** Ends when no write is under way. */
  #writing: Promise<void> = Promise.resolve()
  /** The write that has not begun yet. */
  #queued: Promise<void> | null = null

  constructor(disk: Disk, syncs: SyncScheduler, path: string) {
    this.#disk = disk
    this.#syncs = syncs
    this.#path = path
    const offsets = disk.exists(path) ? parseOffsets(disk.readWhole(path)) : new Map<string, Offset>()
    this.wasSound = offsets !== null
    this.#offsets = offsets ?? new Map()
  }

  /** 0 for a log not seen before. */
  get(id: TopicPartition): Offset {
    return this.#offsets.get(keyOf(id)) ?? 0
  }

  has(id: TopicPartition): boolean {
    return this.#offsets.has(keyOf(id))
  }

  set(id: TopicPartition, offset: Offset): void {
    if (this.#offsets.get(keyOf(id)) === offset) return
    this.#offsets.set(keyOf(id), offset)
    this.#isChanged = true
  }

  /** Resolves when neither the file nor its successors name more than `offset` for this log. */
  async lower(id: TopicPartition, offset: Offset): Promise<void> {
    if (this.get(id) > offset) this.set(id, offset)
    try {
      // What the file says and what was set since are one thing only when nothing is left to be written.
      await this.save()
    } catch (error) {
      throw isNoSpace(error) ? diskFull() : error
    }
  }

  delete(id: TopicPartition): void {
    if (this.#offsets.delete(keyOf(id))) this.#isChanged = true
  }

  /** Resolves when everything set before the call is durable. Calls that come while one is being written share the next. */
  save(): Promise<void> {
    this.#queued ??= this.#writing.then(() => {
      this.#queued = null
      return this.#write()
    })
    this.#writing = this.#queued.catch(() => undefined)
    return this.#queued
  }

  async #write(): Promise<void> {
    if (!this.#isChanged) return
    this.#isChanged = false
    try {
      await replaceFile(this.#disk, this.#syncs, this.#path, formatOffsets(this.#offsets))
    } catch (error) {
      this.#isChanged = true
      throw error
    }
  }
}

function keyOf(id: TopicPartition): string {
  return `${id.topic} ${id.partition} ${id.topicId}`
}

function formatOffsets(offsets: ReadonlyMap<string, Offset>): string {
  const lines = [...offsets].map(([key, offset]) => `${key} ${offset}\n`)
  return withCrc(`${version}\n${offsets.size}\n${lines.join('')}`)
}

/** `null` when the bytes are not a sound checkpoint. */
function parseOffsets(bytes: Uint8Array): Map<string, Offset> | null {
  const lines = checkedLines(bytes)
  if (lines === null || lines.shift() !== version || Number(lines.shift()) !== lines.length) return null
  const offsets = new Map<string, Offset>()
  for (const line of lines) {
    const match = /^(\S+ \d+ \S+) (\d{1,16})$/.exec(line)
    if (match === null) return null
    offsets.set(match[1]!, Number(match[2]))
  }
  return offsets
}
