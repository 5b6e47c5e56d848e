/**
 * Which replica a reader should be sent to (KIP-392): one of its own rack that is in sync, has what it asks for, and has
 * been told that this is committed. The leader itself when it is as near.
 */
import type { MetadataImage } from '../metadata/image.ts'
import type { NodeId, Offset } from '../util/numbers.ts'
import type { Leading } from './leading.ts'

/** `null`: nobody is nearer than the leader. */
export function nearestReplica(
  image: MetadataImage,
  { replica }: Leading,
  rack: string,
  offset: Offset,
): NodeId | null {
  if (image.brokers.get(replica.localId)?.rack === rack) return null
  for (const { nodeId, matchEnd, sentHighWatermark } of replica.followers.values()) {
    const broker = image.brokers.get(nodeId)
    if (broker === undefined || broker.rack !== rack || broker.isFenced || !replica.isr.includes(nodeId)) continue
    if ((matchEnd ?? -1) >= offset && sentHighWatermark >= offset) return nodeId
  }
  return null
}
