/**
 * Up to where each log of a data directory is known to be on disk, indexes and all: the start after a crash scans from
 * there, and damage before it is never taken for a torn tail. One small file for all logs, replaced whole. Entries carry
 * the topic id: a topic created anew does not inherit the point of its predecessor.
 */
import type { Offset } from '../util/numbers.ts'
import { checkedLines, replaceFile, withCrc } from './atomic-file.ts'
import type { Disk } from './disk.ts'
import type { SyncScheduler } from './sync-scheduler.ts'
import type { TopicPartition } from './types.ts'

const version = '1'

export class RecoveryPoints {
  readonly #disk: Disk
  readonly #syncs: SyncScheduler
  readonly #path: string
  readonly #points: Map<string, Offset>
  /** False if the file was damaged: then everything is scanned. */
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
    const points = disk.exists(path) ? parsePoints(disk.readWhole(path)) : new Map<string, Offset>()
    this.wasSound = points !== null
    this.#points = points ?? new Map()
  }

  /** 0 for a log not seen before. */
  get(id: TopicPartition): Offset {
    return this.#points.get(keyOf(id)) ?? 0
  }

  has(id: TopicPartition): boolean {
    return this.#points.has(keyOf(id))
  }

  set(id: TopicPartition, offset: Offset): void {
    if (this.#points.get(keyOf(id)) === offset) return
    this.#points.set(keyOf(id), offset)
    this.#isChanged = true
  }

  delete(id: TopicPartition): void {
    if (this.#points.delete(keyOf(id))) this.#isChanged = true
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
      await replaceFile(this.#disk, this.#syncs, this.#path, formatPoints(this.#points))
    } catch (error) {
      this.#isChanged = true
      throw error
    }
  }
}

function keyOf(id: TopicPartition): string {
  return `${id.topic} ${id.partition} ${id.topicId}`
}

function formatPoints(points: ReadonlyMap<string, Offset>): string {
  const lines = [...points].map(([key, offset]) => `${key} ${offset}\n`)
  return withCrc(`${version}\n${points.size}\n${lines.join('')}`)
}

/** `null` when the bytes are not a sound checkpoint. */
function parsePoints(bytes: Uint8Array): Map<string, Offset> | null {
  const lines = checkedLines(bytes)
  if (lines === null || lines.shift() !== version || Number(lines.shift()) !== lines.length) return null
  const points = new Map<string, Offset>()
  for (const line of lines) {
    const match = /^(\S+ \d+ \S+) (\d{1,16})$/.exec(line)
    if (match === null) return null
    points.set(match[1]!, Number(match[2]))
  }
  return points
}
