/**
 * What may be taken from which machine so that loss stays a bug: of everything that is committed one good copy is left,
 * on a replica that runs and may lead. Otherwise what is lost says nothing about the code.
 */
import { effectiveMinIsr, minIsrOf } from '../../metadata/election.ts'
import type { MetadataImage, PartitionImage } from '../../metadata/image.ts'
import { finalReplicas } from '../../metadata/reassignment.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { NodeCluster } from './cluster.ts'
import { type DataTopic, topicsOf } from './data-world.ts'
import type { Machine } from './machine.ts'

/**
 * Whether machine `id` may go down with its power. Under flush policy `os` nobody believes a broker that comes back after
 * that, whatever it still has: the others must be there, and believed, until the controller knows that it was away.
 */
export function mayLosePower({ world, history, machines }: NodeCluster, id: NodeId): boolean {
  const { latest } = history
  if (latest === null) return true
  return topicsOf(world.data).every(topic => {
    const { name, flushPolicy } = topic
    const partitions = latest.topics.byName.get(name)?.partitions ?? []
    const isLost = flushPolicy === 'os' && world.losesCaches
    return partitions.every(partition => !isLost || hasOthers(partition, topic, id, machines, latest))
  })
}

/**
 * Whether machine `id` may be ended, and stay away. Where nobody believes it either when it comes back, somebody else who has lost
 * something, of which the controller does not know yet, would be all there is if the rest are fenced meanwhile.
 */
export function mayStayAway({ world, history, machines }: NodeCluster, id: NodeId): boolean {
  if (!world.isCautious) return true
  const hasLost = ({ id: other, distrusted }: Machine): boolean => {
    const registered = history.latest?.brokers.get(other)
    return registered !== undefined && distrusted.has(registered.incarnationId)
  }
  return [...machines.values()].every(other => other.id === id || !hasLost(other))
}

/** Whether machine `id` may lose the disk with its partitions, whatever their policy. */
export function mayLoseDisk({ world, history, machines }: NodeCluster, id: NodeId): boolean {
  const { latest } = history
  if (latest === null) return true
  return topicsOf(world.data).every(topic =>
    (latest.topics.byName.get(topic.name)?.partitions ?? []).every(partition =>
      hasOthers(partition, topic, id, machines, latest),
    ),
  )
}

/** Whether what machine `id` has of the partition may be damaged: it need not be the last good copy. */
export function mayRot(
  { history, machines }: NodeCluster,
  id: NodeId,
  topic: DataTopic,
  partition: PartitionImage,
): boolean {
  return history.latest !== null && hasOthers(partition, topic, id, machines, history.latest)
}

function hasOthers(
  partition: PartitionImage,
  { minInsyncReplicas, isUncleanAllowed }: DataTopic,
  id: NodeId,
  machines: ReadonlyMap<NodeId, Machine>,
  { brokers }: MetadataImage,
): boolean {
  // There loss is allowed, if it is told.
  if (isUncleanAllowed) return true
  const { isr, elr } = partition
  if (!isr.includes(id) && !elr.includes(id)) return true
  // With less the others may be fenced, and eligible no more, before anybody knows what became of this one (KIP-966).
  if (minIsrOf(partition, minInsyncReplicas) < 2) return false
  // A move may be over before anybody knows: then those that it leaves are all there are.
  const final = finalReplicas(partition)
  if (effectiveMinIsr(minInsyncReplicas, final.length) < 2) return false
  const isTrusted = (other: NodeId): boolean => {
    const { life, distrusted, disowned, flippedBits } = machines.get(other)!
    const { incarnationId } = brokers.get(other)!
    const hasAll = !distrusted.has(incarnationId) && !disowned.has(incarnationId) && flippedBits.length === 0
    return life?.isServing === true && hasAll
  }
  const others = [...isr, ...elr].filter(other => other !== id)
  return isr.some(other => other !== id && final.includes(other)) && others.every(isTrusted)
}
