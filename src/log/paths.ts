/** Names of files and directories, as Kafka has them. */
import type { Offset } from '../util/numbers.ts'

export const suffix = {
  log: '.log',
  index: '.index',
  timeIndex: '.timeindex',
  /** A file that is on its way out; what a crash leaves of them is removed at start. */
  deleted: '.deleted',
  /** A file not yet renamed into place. */
  temporary: '.tmp',
  /** A partition directory that is on its way out. */
  deletedDirectory: '-delete',
} as const

export const fileName = {
  epochs: 'leader-epoch-checkpoint',
  metadata: 'partition.metadata',
  logStart: 'log-start-offset',
  recoveryPoints: 'recovery-point-offset-checkpoint',
  highWatermarks: 'replication-offset-checkpoint',
  cleanShutdown: '.millrace_cleanshutdown',
} as const

/** Longest name most file systems take. */
const nameLengthMax = 255

/** `00000000000000000042`: 20 digits, so that names sort as offsets do. */
export function segmentName(baseOffset: Offset): string {
  return String(baseOffset).padStart(20, '0')
}

/** Base offset of a segment file, or `null` for another file. */
export function segmentBaseOffset(name: string, extension: string): Offset | null {
  const match = /^(\d{20})(\.\w+)$/.exec(name)
  if (match === null || match[2] !== extension) return null
  const offset = Number(match[1])
  return Number.isSafeInteger(offset) ? offset : null
}

export function partitionDirectoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** The topic and partition of a directory name, or `null` if it is none. Topics may contain dashes. */
export function parsePartitionDirectory(name: string): { topic: string; partition: number } | null {
  const match = /^([a-zA-Z0-9._-]+)-(0|[1-9]\d{0,8})$/.exec(name)
  return match === null ? null : { topic: match[1]!, partition: Number(match[2]) }
}

/** Where a removed partition's directory waits for its deletion: unique, and short enough for a long topic name. */
export function deletedDirectoryName(topic: string, partition: number, unique: string): string {
  const tail = `-${partition}.${unique}${suffix.deletedDirectory}`
  return topic.slice(0, nameLengthMax - tail.length) + tail
}
