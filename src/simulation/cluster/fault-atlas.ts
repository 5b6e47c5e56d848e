/**
 * What may be taken from which machine so that loss stays a bug: of everything that is committed one good copy is left,
 * on a replica that runs and may lead. Otherwise what is lost says nothing about the code.
 */
import type { MetadataImage, PartitionImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { NodeCluster } from './cluster.ts'
import type { Machine } from './machine.ts'

/**
 * Whether machine `id` may go down with its power. Under flush policy `os` nobody believes a broker that comes back after
 * that, whatever it still has: the others must be there, and believed, until the controller knows that it was away.
 */
export function mayLosePower({ world, history, machines }: NodeCluster, id: NodeId): boolean {
  const { latest } = history
  if (latest === null) return true
  return world.data.topics.every(({ name, flushPolicy }) => {
    const partitions = latest.topics.byName.get(name)?.partitions ?? []
    const isLost = flushPolicy === 'os' && world.losesCaches
    return partitions.every(partition => !isLost || hasOthers(partition, id, machines, latest))
  })
}

/** Whether machine `id` may lose the disk with its partitions, whatever their policy. */
export function mayLoseDisk({ world, history, machines }: NodeCluster, id: NodeId): boolean {
  const { latest } = history
  if (latest === null) return true
  return world.data.topics.every(({ name }) =>
    (latest.topics.byName.get(name)?.partitions ?? []).every(partition => hasOthers(partition, id, machines, latest)),
  )
}

/** Whether what machine `id` has of the partition may be damaged: it need not be the last good copy. */
export function mayRot({ history, machines }: NodeCluster, id: NodeId, partition: PartitionImage): boolean {
  return history.latest !== null && hasOthers(partition, id, machines, history.latest)
}

function hasOthers(
  { isr, elr }: PartitionImage,
  id: NodeId,
  machines: ReadonlyMap<NodeId, Machine>,
  { brokers }: MetadataImage,
): boolean {
  if (!isr.includes(id) && !elr.includes(id)) return true
  const isTrusted = (other: NodeId): boolean => {
    const { life, distrusted, disowned, flippedBits } = machines.get(other)!
    const { incarnationId } = brokers.get(other)!
    const hasAll = distrusted !== incarnationId && disowned !== incarnationId && flippedBits.length === 0
    return life?.isServing === true && hasAll
  }
  const others = [...isr, ...elr].filter(other => other !== id)
  return isr.some(other => other !== id) && others.every(isTrusted)
}
