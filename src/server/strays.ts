/**
 * Partition directories that no topic of the metadata owns: of a topic deleted while this node was down, of a metadata
 * log that was lost, or put there by hand. Nobody can know which, so they are never deleted and never served: each is
 * renamed out of the way, with a line in the log that says where its records are.
 */
import type { Disk } from '../log/disk.ts'
import type { LogManager, TopicPartition } from '../log/types.ts'
import type { MetadataImage } from '../metadata/image.ts'
import type { Logger } from '../util/logger.ts'
import type { NodeId } from '../util/numbers.ts'

export interface StrayOptions {
  readonly nodeId: NodeId
  readonly logs: LogManager
  readonly disk: Disk
  readonly logger: Logger
}

/** Longest name most file systems take. */
const nameLengthMax = 255

/** `image` must be current: what it does not know yet would be taken for a stray. Returns the new paths. */
export async function setStraysAside(image: MetadataImage, options: StrayOptions): Promise<string[]> {
  const { logs, disk, logger } = options
  const setAside: string[] = []
  for (const found of logs.found()) {
    if (isOwned(image, options.nodeId, found)) continue
    const from = `${logs.directory}/${found.topic}-${found.partition}`
    const to = `${logs.directory}/${freeName(disk, logs.directory, found)}`
    disk.rename(from, to)
    setAside.push(to)
    logger.warn(
      { ...found, path: to },
      'no topic of the metadata owns this partition directory; it was set aside, with all its records',
    )
  }
  if (setAside.length > 0) await disk.syncDirectory(logs.directory)
  return setAside
}

function isOwned(image: MetadataImage, nodeId: NodeId, { topic, topicId, partition }: TopicPartition): boolean {
  const owner = image.topics.byId.get(topicId)
  return owner?.name === topic && owner.partitions[partition]?.replicas.includes(nodeId) === true
}

/** Unlike the name of a partition directory it does not end in a number, so it is never opened as one. */
function freeName(disk: Disk, directory: string, { topic, topicId, partition }: TopicPartition): string {
  for (let attempt = 0; ; attempt++) {
    const tail = `-${partition}.${topicId}${attempt === 0 ? '' : `.${attempt}`}-stray`
    const name = topic.slice(0, nameLengthMax - tail.length) + tail
    if (!disk.exists(`${directory}/${name}`)) return name
  }
}
