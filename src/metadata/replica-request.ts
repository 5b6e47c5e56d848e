/** Checks what a request says about replicas, for new topics and for new partitions of existing ones. */

import type { Failure } from '../protocol/errors.ts'
import type { NodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import type { MetadataLimits } from './decision.ts'
import { isAvailable } from './placement.ts'

/**
 * `null` when `assignments` can be used: one list for each partition, all of `replicationFactor` (`null`: of the first),
 * distinct registered brokers, at least one of which is available.
 */
export function validateAssignments(
  image: ClusterImage,
  assignments: readonly (readonly number[])[],
  replicationFactor: number | null,
  limits: MetadataLimits,
): Failure | null {
  const expected = replicationFactor ?? assignments[0]?.length ?? 0
  if (expected > limits.replicationFactorMax) return tooManyReplicas(limits)
  for (const [at, replicas] of assignments.entries()) {
    const fault = assignmentFault(image, replicas as readonly NodeId[], expected)
    if (fault !== null) {
      return { error: 'INVALID_REPLICA_ASSIGNMENT', message: `Replicas of new partition ${at}: ${fault}.` }
    }
  }
  return null
}

/** The same for the replicas of one partition that exists, however many. */
export function validateAssignment(
  image: ClusterImage,
  replicas: readonly NodeId[],
  limits: MetadataLimits,
): Failure | null {
  if (replicas.length > limits.replicationFactorMax) return tooManyReplicas(limits)
  const fault = assignmentFault(image, replicas, replicas.length)
  return fault === null ? null : { error: 'INVALID_REPLICA_ASSIGNMENT', message: `The new replicas: ${fault}.` }
}

/** `null` when that many replicas can be placed. */
export function validateReplicationFactor(
  image: ClusterImage,
  replicationFactor: number,
  available: number,
  limits: MetadataLimits,
): Failure | null {
  const error = 'INVALID_REPLICATION_FACTOR'
  if (replicationFactor < 1)
    return { error, message: 'The replication factor must be 1 or more, or -1 for the default.' }
  if (replicationFactor > limits.replicationFactorMax) return tooManyReplicas(limits)
  if (replicationFactor <= available) return null
  const brokers = available === 1 ? '1 broker is' : `${available} brokers are`
  return {
    error,
    message: `Replication factor ${replicationFactor}, but only ${brokers} available${whyNotAll(image)}.`,
  }
}

/** What is wrong with the others; a broker of whose disk nobody is told looks to its operator as if it were there. */
function whyNotAll(image: ClusterImage): string {
  const brokers = [...image.brokers.values()].filter(broker => !isAvailable(broker))
  const fenced = brokers.filter(({ isFenced }) => isFenced).length
  const unfit = brokers.filter(({ isFenced, isUnfit }) => !isFenced && isUnfit).length
  const counts = [
    [fenced, 'not heard of'],
    [unfit, 'with a disk that is full, failed or stands still'],
    [brokers.length - fenced - unfit, 'draining'],
  ] as const
  const reasons = counts.filter(([count]) => count > 0).map(([count, reason]) => `${count} ${reason}`)
  return reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
}

function tooManyReplicas({ replicationFactorMax }: MetadataLimits): Failure {
  const error = 'INVALID_REPLICATION_FACTOR'
  return { error, message: `A partition may have ${replicationFactorMax} replicas at most.` }
}

function assignmentFault(image: ClusterImage, replicas: readonly NodeId[], expected: number): string | null {
  if (replicas.length === 0) return 'the list is empty'
  if (replicas.length !== expected) return `${replicas.length} replicas instead of ${expected}`
  if (new Set(replicas).size !== replicas.length) return 'a broker stands there twice'
  const brokers = replicas.map(id => image.brokers.get(id))
  const unknown = brokers.indexOf(undefined)
  if (unknown !== -1) return `broker ${replicas[unknown]} is not registered`
  return brokers.some(broker => isAvailable(broker!)) ? null : 'none of its brokers is available'
}
