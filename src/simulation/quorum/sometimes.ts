/**
 * What must happen sometimes: a simulation in which it never does proves nothing about it. Counted over a run, summed
 * over many, and a batch of seeds in which one stays at zero has failed.
 */
import type { ChunkAnswer, SnapshotChunk } from '../../quorum/peer-port.ts'
import type { Effect, Input } from '../../raft/input-effect.ts'
import type { Message } from '../../raft/messages.ts'
import type { Raft } from '../../raft/state.ts'
import { crc32c } from '../../util/crc32c.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Invariant, MemberView } from './invariants/invariant.ts'

export const sometimesNames = [
  'leaderChanged',
  'pausedLeaderSteppedDown',
  'transferWon',
  'leaderRemovedItself',
  'logTruncated',
  'proposalDropped',
  'outcomeUnknown',
  'duplicateAnsweredFromSession',
  'staleReadRefused',
  'snapshotTaken',
  'snapshotInstalledByChunks',
  'chunkResumed',
  'damagedChunkAskedAgain',
  'restartedFromSnapshot',
  'jointCommitted',
  'memberAdded',
  'memberRemoved',
  'observerFed',
  'wipedVoterIgnored',
  'diskDamageFound',
  'diskFailed',
  'wholeClusterRestarted',
] as const
export type SometimesName = (typeof sometimesNames)[number]
export type SometimesCounts = Record<SometimesName, number>

export function noCounts(): SometimesCounts {
  return Object.fromEntries(sometimesNames.map(name => [name, 0])) as SometimesCounts
}

interface Seen {
  isLeader: boolean
  isJoint: boolean
  term: number
  /** Last index that this life has let a caller put into its log. */
  proposedIndex: number
}

export class Sometimes implements Invariant {
  readonly counts: SometimesCounts = noCounts()
  readonly #seen = new Map<NodeId, Seen>()
  readonly #pausedLeaders = new Map<NodeId, number>()
  #lastLeader: NodeId | null = null
  /** Whom the last leader told to campaign. */
  #successor: NodeId | null = null

  note(name: SometimesName): void {
    this.counts[name]++
  }

  /** The process of a member was stopped while it led. */
  paused(id: NodeId, raft: Raft): void {
    if (raft.role.kind === 'leader') this.#pausedLeaders.set(id, raft.term)
  }

  started({ id, raft }: MemberView): void {
    this.#seen.set(id, { isLeader: false, isJoint: false, term: 0, proposedIndex: 0 })
    this.#pausedLeaders.delete(id)
    if (raft.snapshot !== null) this.note('restartedFromSnapshot')
  }

  stepped(member: MemberView, input: Input, effects: readonly Effect[]): void {
    const { id, raft } = member
    const seen = this.#seen.get(id)!
    for (const effect of effects) this.#noteEffect(effect, seen)
    if (input.kind === 'snapshotSaved') this.note('snapshotTaken')
    if (input.kind === 'message') this.#noteMessage(raft, input, effects, seen)
    const isLeader = raft.role.kind === 'leader'
    if (isLeader && !seen.isLeader) this.#elected(id)
    if (!isLeader && seen.isLeader) this.#deposed(id, raft, seen)
    const { current, currentIndex } = raft.configurations
    const isJoint = current.oldVoters.length > 0
    if (isLeader && seen.isLeader && seen.isJoint && !isJoint && currentIndex > 0) this.note('jointCommitted')
    seen.isLeader = isLeader
    seen.isJoint = isJoint
    seen.term = raft.term
  }

  chunkAnswered(chunk: SnapshotChunk, { nextOffset }: ChunkAnswer): void {
    const { data, offset, dataChecksum } = chunk
    const isDamaged = crc32c(data, 0, data.length) !== dataChecksum
    if (isDamaged && nextOffset === offset) this.note('damagedChunkAskedAgain')
    // The receiver kept a part from an earlier attempt, and the sender is told to go on from there.
    if (nextOffset > 0 && nextOffset !== offset && nextOffset !== offset + data.length) this.note('chunkResumed')
    if (nextOffset === chunk.sizeBytes && chunk.data.length < chunk.sizeBytes) this.note('snapshotInstalledByChunks')
  }

  #noteEffect(effect: Effect, seen: Seen): void {
    if (effect.kind === 'accepted') seen.proposedIndex = effect.lastIndex
    if (effect.kind === 'readRefused' && seen.isLeader) this.note('staleReadRefused')
    if (effect.kind !== 'truncated') return
    this.note('logTruncated')
    if (effect.from <= seen.proposedIndex) this.note('proposalDropped')
    seen.proposedIndex = 0
  }

  #noteMessage(raft: Raft, input: Extract<Input, { kind: 'message' }>, effects: readonly Effect[], seen: Seen): void {
    const { message, fromDisk } = input
    const known = raft.configurations.current.members?.find(member => member.id === message.from)
    const isStranger = fromDisk !== undefined && known !== undefined && known.diskId !== fromDisk
    if (isStranger && effects.length === 0 && seen.term === raft.term) this.note('wipedVoterIgnored')
    if (isReplyOfObserver(raft, message)) this.note('observerFed')
  }

  #elected(id: NodeId): void {
    if (this.#lastLeader !== null && this.#lastLeader !== id) this.note('leaderChanged')
    if (this.#successor === id) this.note('transferWon')
    this.#successor = null
    this.#lastLeader = id
  }

  sending(_member: MemberView, to: NodeId, message: Message): void {
    if (message.kind === 'timeoutNow') this.#successor = to
  }

  #deposed(id: NodeId, raft: Raft, seen: Seen): void {
    if (this.#pausedLeaders.get(id) === seen.term) this.note('pausedLeaderSteppedDown')
    this.#pausedLeaders.delete(id)
    const { voters, oldVoters } = raft.configurations.current
    if (!voters.includes(id) && !oldVoters.includes(id)) this.note('leaderRemovedItself')
  }
}

function isReplyOfObserver(raft: Raft, { kind, from }: Message): boolean {
  if (kind !== 'appendEntriesReply' || raft.role.kind !== 'leader' || !raft.role.progress.has(from)) return false
  const { voters, oldVoters, learners } = raft.configurations.current
  return !voters.includes(from) && !oldVoters.includes(from) && !learners.includes(from)
}
