/** Decides AlterPartitionReassignments (KIP-455): each move is begun, replaced or given up, or refused with its own error. */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { alterPartitionReassignments } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import type { NodeId } from '../util/numbers.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, findPartition, itemDone, itemFailed, type MetadataLimits } from './decision.ts'
import type { ElectionTerms } from './election.ts'
import type { PartitionImage } from './image.ts'
import { begun, cancelled, isReassigning } from './reassignment.ts'
import type { MetadataRecord } from './record-types.ts'
import { validateAssignment } from './replica-request.ts'
import { candidatesIn, electionTermsOf, settle, standingChange } from './settle.ts'

type Request = RequestOf<typeof alterPartitionReassignments>
type Item = Request['partitions'][number]
type Response = ResponseOf<typeof alterPartitionReassignments>

export interface ReassignmentFacts extends ElectionTerms {
  readonly limits: MetadataLimits
}

export function decideAlterReassignments(
  image: ClusterImage,
  request: Request,
  facts: ReassignmentFacts,
): Decision<Response> {
  const candidates = candidatesIn(image)
  const duplicates = duplicatesIn(request.partitions.map(nameOf))
  const records: MetadataRecord[] = []
  const partitions = request.partitions.map((item): Response['partitions'][number] => {
    const { topic, partition } = item
    const found = duplicates.has(nameOf(item)) ? namedTwice(item) : findPartition(image, item)
    if (isFailure(found)) return { topic, partition, ...itemFailed(found) }
    const terms = electionTermsOf(found.topic, facts)
    const moved = moveOf(image, item, found.partition, terms, facts.limits)
    if (isFailure(moved)) return { topic, partition, ...itemFailed(moved) }
    // A move to where everybody is in sync already is over at once.
    const change = standingChange(found.topic.id, partition, found.partition, settle(moved, candidates, terms))
    if (change !== null) records.push(change)
    return { topic, partition, ...itemDone }
  })
  return { records, response: { partitions } }
}

function moveOf(
  image: ClusterImage,
  { replicas }: Item,
  partition: PartitionImage,
  { minInsyncReplicas }: ElectionTerms,
  limits: MetadataLimits,
): PartitionImage | Failure {
  if (replicas === null) {
    if (isReassigning(partition)) return cancelled(partition, minInsyncReplicas) ?? nobodyLeft
    return { error: 'NO_REASSIGNMENT_IN_PROGRESS', message: 'No reassignment of the partition is in progress.' }
  }
  const target = replicas as NodeId[]
  return validateAssignment(image, target, limits) ?? begun(partition, target, minInsyncReplicas) ?? nobodyLeft
}

const nobodyLeft: Failure = {
  error: 'INVALID_REPLICA_ASSIGNMENT',
  message: 'Of the replicas that would be left, none has every acknowledged record.',
}

function namedTwice(item: Item): Failure {
  return { error: 'INVALID_REQUEST', message: `The request names ${nameOf(item)} more than once.` }
}

function nameOf({ topic, partition }: Item): string {
  return `${topic}-${partition}`
}
