/**
 * What may be taken from which machine so that loss stays a bug: of everything that is committed one good copy is left,
 * on a replica that runs and may lead. Otherwise what is lost says nothing about the code.
 */
import type { PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { NodeCluster } from './cluster.ts'

/** Machine `id` may lose what its process has written and its disk has not taken. */
export function mayLoseCaches(cluster: NodeCluster, id: NodeId): boolean {
  return cluster.world.data.topics.every(
    ({ name, flushPolicy }) =>
      flushPolicy === 'sync' || partitionsOf(cluster, name).every(of => hasOther(cluster, of, id)),
  )
}

function partitionsOf({ history }: NodeCluster, topic: string): readonly PartitionImage[] {
  return history.latest?.topics.byName.get(topic)?.partitions ?? []
}

/** Another replica has everything, or this one is none that is trusted to. */
function hasOther({ machines }: NodeCluster, { isr, elr }: PartitionImage, id: NodeId): boolean {
  if (!isr.includes(id) && !elr.includes(id)) return true
  return isr.some(other => other !== id && machines.get(other)!.life?.isServing === true)
}
