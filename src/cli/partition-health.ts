/** What is wrong with a partition, in the words of the metrics. */
import type { PartitionDescription } from '../index.ts'

/** A replica that should be in sync is not. Those that a move is still adding are expected to lag. */
export function isUnderReplicated({ replicas, isr, addingReplicas }: PartitionDescription): boolean {
  return replicas.some(id => !isr.includes(id) && !addingReplicas.includes(id))
}

/** Writes with acks=all are refused until more replicas are in sync. */
export function isUnderMinIsr({ isr, minInsyncReplicas }: PartitionDescription): boolean {
  return isr.length < minInsyncReplicas
}

export function isMoving({ addingReplicas, removingReplicas }: PartitionDescription): boolean {
  return addingReplicas.length + removingReplicas.length > 0
}
