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
  if (!world.losesCaches || latest === null) return true
  return world.data.topics.every(({ name, flushPolicy }) => {
    const partitions = latest.topics.byName.get(name)?.partitions ?? []
    return flushPolicy === 'sync' || partitions.every(partition => hasOthers(partition, id, machines, latest))
  })
}

function hasOthers(
  { isr, elr }: PartitionImage,
  id: NodeId,
  machines: ReadonlyMap<NodeId, Machine>,
  { brokers }: MetadataImage,
): boolean {
  if (!isr.includes(id) && !elr.includes(id)) return true
  const isTrusted = (other: NodeId): boolean => {
    const { life, distrusted } = machines.get(other)!
    return life?.isServing === true && distrusted !== brokers.get(other)!.incarnationId
  }
  const others = [...isr, ...elr].filter(other => other !== id)
  return isr.some(other => other !== id) && others.every(isTrusted)
}
