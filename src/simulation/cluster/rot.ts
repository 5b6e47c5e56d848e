/**
 * Bits that flip in segments of partitions, in what is on the platter and in what only the page cache has, and flip back
 * when somebody repairs the disk. They flip where a CRC covers them and neither offsets nor epochs are: the place of a batch
 * stays known to whoever watches, and what tells epochs apart no checksum of the format covers, here or in Kafka.
 */
import { segmentBaseOffset, suffix } from '../../log/paths.ts'
import { batchHeaderBytes, crcRangeStart, headerFault, readBatchHeader } from '../../protocol/batch/header.ts'
import { crc32c } from '../../util/crc32c.ts'
import type { Random } from '../../util/random.ts'
import type { SimDisk } from '../sim-disk.ts'
import type { NodeCluster } from './cluster.ts'
import { mayRot } from './fault-atlas.ts'
import type { Machine } from './machine.ts'

export interface FlippedBit {
  readonly path: string
  /** Of the batch in its file, and its bytes. */
  readonly from: number
  readonly sizeBytes: number
  readonly position: number
  readonly bit: number
}

/** Behind the fields by which a batch is known: offsets, epoch and checksum. */
const bodyStart = 27

/** Flips a bit of a batch on that machine, if good copies are elsewhere. Returns whether one was flipped. */
export function rotSomewhere(cluster: NodeCluster, machine: Machine, random: Random): boolean {
  const { history, world, sometimes } = cluster
  const oneOf = <T>(among: readonly T[]): T | undefined => among[random.nextInt(Math.max(1, among.length))]
  const topic = oneOf(world.data.topics)!
  const partitions = history.latest?.topics.byName.get(topic.name)?.partitions ?? []
  const number = random.nextInt(Math.max(1, partitions.length))
  const partition = partitions[number]
  if (partition?.replicas.includes(machine.id) !== true || !mayRot(cluster, machine.id, topic, partition)) return false
  const { logDisk } = machine
  const directory = `data/${topic.name}-${number}`
  const segments = logDisk.namesIn(directory, false).filter(name => segmentBaseOffset(name, suffix.log) !== null)
  const name = oneOf(segments)
  if (name === undefined) return false
  const path = `${directory}/${name}`
  const inode = logDisk.look(path, false)!
  const batch = oneOf([...batchesIn(inode.bytes)])
  if (batch === undefined) return false
  const position = batch.from + bodyStart + random.nextInt(batch.sizeBytes - bodyStart)
  const flipped = { path, ...batch, position, bit: random.nextInt(8) }
  logDisk.flipBit(path, position, flipped.bit)
  machine.flippedBits.push(flipped)
  cluster.note('flipped', machine.id, `${path} at ${position}`)
  sometimes[name === segments.at(-1) ? 'activeSegmentRotted' : 'closedSegmentRotted']++
  if (position >= inode.durable.length) sometimes.unsyncedRotted++
  return true
}

/** Undoes it, where the damage is still there. Returns whether it was. */
export function flippedBack(disk: SimDisk, { path, from, sizeBytes, position, bit }: FlippedBit): boolean {
  const bytes = disk.look(path, false)?.bytes ?? new Uint8Array(0)
  if (from + sizeBytes > bytes.length) return false
  const batch = bytes.slice(from, from + sizeBytes)
  if (isSound(batch)) return false
  batch[position - from]! ^= 1 << bit
  if (!isSound(batch)) return false
  disk.flipBit(path, position, bit)
  return true
}

function isSound(batch: Uint8Array): boolean {
  const header = readBatchHeader(batch, 0)
  return header.sizeBytes === batch.length && crc32c(batch, crcRangeStart, batch.length) === header.crc
}

function* batchesIn(bytes: Uint8Array): IterableIterator<{ readonly from: number; readonly sizeBytes: number }> {
  for (let from = 0; from + batchHeaderBytes <= bytes.length; ) {
    const header = readBatchHeader(bytes, from)
    if (headerFault(header, null) !== null || from + header.sizeBytes > bytes.length) return
    yield { from, sizeBytes: header.sizeBytes }
    from += header.sizeBytes
  }
}
