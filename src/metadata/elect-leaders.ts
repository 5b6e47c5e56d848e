/**
 * Decides ElectLeaders: partitions are given back to their preferred leaders, the first of their replicas, or, where an
 * operator accepts the loss, to a replica that is neither in sync nor eligible.
 */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { electLeaders } from '../protocol/apis/index.ts'
import { type Failure, isFailure } from '../protocol/errors.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, findPartition, itemDone, itemFailed } from './decision.ts'
import { type Candidates, type ElectionTerms, elect } from './election.ts'
import type { PartitionImage } from './image.ts'
import { leaving } from './reassignment.ts'
import type { MetadataRecord } from './record-types.ts'
import { candidatesIn, electionTermsOf, settle, standingChange } from './settle.ts'

type Request = RequestOf<typeof electLeaders>
type Response = ResponseOf<typeof electLeaders>
type Answer = Response['partitions'][number]
type Elect = (partition: PartitionImage, candidates: Candidates, terms: ElectionTerms) => PartitionImage | Failure

export function decideElectLeaders(image: ClusterImage, request: Request, defaults: ElectionTerms): Decision<Response> {
  const electOne = request.electionType === 'preferred' ? preferred : unclean
  if (request.partitions === null) return electAll(image, electOne, defaults, Number.POSITIVE_INFINITY)
  const candidates = candidatesIn(image)
  const duplicates = duplicatesIn(request.partitions.map(nameOf))
  const records: MetadataRecord[] = []
  const partitions = request.partitions.map((item): Answer => {
    if (duplicates.has(nameOf(item))) {
      const message = `The request names ${nameOf(item)} more than once.`
      return { ...item, ...itemFailed({ error: 'INVALID_REQUEST', message }), leaderId: -1 }
    }
    const found = findPartition(image, item)
    if (isFailure(found)) return { ...item, ...itemFailed(found), leaderId: -1 }
    const after = electOne(found.partition, candidates, electionTermsOf(found.topic, defaults))
    if (isFailure(after)) return { ...item, ...itemFailed(after), leaderId: -1 }
    records.push(standingChange(found.topic.id, item.partition, found.partition, after)!)
    return { ...item, ...itemDone, leaderId: after.leaderId! }
  })
  return { records, response: { partitions } }
}

/**
 * What keeps leaders where they were placed, so that each broker leads its share: preferred leaders that are in sync
 * again lead again. At most `electionsMax` at a time; the rest is for the next decision.
 */
export function decideBalance(image: ClusterImage, defaults: ElectionTerms, electionsMax: number): Decision<number> {
  const { records, response } = electAll(image, preferred, defaults, electionsMax)
  return { records, response: response.partitions.length }
}

function electAll(
  image: ClusterImage,
  electOne: Elect,
  defaults: ElectionTerms,
  electionsMax: number,
): Decision<Response> {
  const candidates = candidatesIn(image)
  const records: MetadataRecord[] = []
  const partitions: Answer[] = []
  for (const topic of image.topics.byName.values()) {
    const terms = electionTermsOf(topic, defaults)
    for (const [index, partition] of topic.partitions.entries()) {
      if (records.length === electionsMax) return { records, response: { partitions } }
      const after = electOne(partition, candidates, terms)
      if (isFailure(after)) continue
      records.push(standingChange(topic.id, index, partition, after)!)
      partitions.push({ topic: topic.name, partition: index, ...itemDone, leaderId: after.leaderId! })
    }
  }
  return { records, response: { partitions } }
}

function preferred(
  partition: PartitionImage,
  { isAvailable }: Candidates,
  { minInsyncReplicas }: ElectionTerms,
): PartitionImage | Failure {
  const { replicas, isr, leaderId } = partition
  const leader = replicas[0]!
  if (leaderId === leader) return { error: 'ELECTION_NOT_NEEDED', message: `Broker ${leader} leads it already.` }
  if (leaderId !== null && leaving(partition, minInsyncReplicas).includes(leaderId)) {
    return {
      error: 'ELECTION_NOT_NEEDED',
      message: `Broker ${leaderId} is being moved away, and about to let go of it.`,
    }
  }
  if (isr.includes(leader) && isAvailable(leader)) return { ...partition, leaderId: leader }
  return { error: 'PREFERRED_LEADER_NOT_AVAILABLE', message: `Broker ${leader} is not in sync, or not available.` }
}

/** Whoever is in sync or eligible and lives leads already. */
function unclean(partition: PartitionImage, candidates: Candidates, terms: ElectionTerms): PartitionImage | Failure {
  const { leaderId } = partition
  if (leaderId !== null) return { error: 'ELECTION_NOT_NEEDED', message: `Broker ${leaderId} leads it.` }
  const after = settle(elect(partition, candidates, { ...terms, isUncleanAllowed: true }), candidates, terms)
  if (after.leaderId !== null) return after
  return { error: 'ELIGIBLE_LEADERS_NOT_AVAILABLE', message: 'None of its replicas is alive.' }
}

function nameOf({ topic, partition }: NonNullable<Request['partitions']>[number]): string {
  return `${topic}-${partition}`
}
