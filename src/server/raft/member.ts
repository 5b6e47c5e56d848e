/** A running member as its program sees it: the quorum, with answers, sessions and reads on every member. */
import { readIndex } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { PeerNetwork } from '../../quorum/network/types.ts'
import type { Quorum, QuorumStatus } from '../../quorum/types.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { Clock } from '../../util/clock.ts'
import type { Disposables } from '../../util/disposables.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import type { RaftAddresses } from './addresses.ts'
import type { AnsweringMachine } from './answers.ts'
import { AppliedIndex } from './applied.ts'
import type { ProposalCodec } from './codec.ts'
import { NotLeaderError, type ProposeOptions, type Raft, type RaftCallOptions } from './types.ts'

export interface RaftParts<Result> {
  readonly addresses: RaftAddresses
  readonly quorum: Quorum
  readonly network: PeerNetwork
  readonly codec: ProposalCodec<Result>
  readonly answering: AnsweringMachine<unknown>
  readonly clock: Clock
  /** Closes all of it. */
  readonly owned: Disposables
}

const timeoutMsDefault = 10_000

export class RaftMember<Result> implements Raft<Result> {
  readonly #parts: RaftParts<Result>
  readonly #applied: AppliedIndex
  readonly #listeners = new Set<(term: number | null) => void>()
  #leadingTerm: number | null = null

  constructor(parts: RaftParts<Result>) {
    this.#parts = parts
    const { quorum, clock } = parts
    this.#applied = new AppliedIndex(clock, quorum.status().appliedIndex)
    quorum.onApplied(index => this.#applied.advance(index))
    quorum.onLeadership(term => {
      this.#leadingTerm = term
      for (const listener of [...this.#listeners]) listener(term)
    })
  }

  get nodeId(): number {
    return this.#parts.addresses.nodeId
  }

  get url(): string {
    return this.#parts.addresses.url
  }

  get leaderId(): number | null {
    return this.status().leaderId
  }

  status(): QuorumStatus {
    return this.#parts.quorum.status()
  }

  propose(data: Uint8Array, options?: ProposeOptions): Promise<Result>
  propose(data: readonly Uint8Array[], options?: RaftCallOptions): Promise<Result[]>
  async propose(
    data: Uint8Array | readonly Uint8Array[],
    { session, timeoutMs = timeoutMsDefault }: ProposeOptions = {},
  ): Promise<Result | Result[]> {
    const { codec, answering, quorum } = this.#parts
    const isOne = data instanceof Uint8Array
    const entries = (isOne ? [data] : data).map(one => codec.encode(one, session ?? null))
    if (entries.length === 0) return []
    const answers = await this.#asking(answering.answersOf(entries.length, () => quorum.propose(entries, timeoutMs)))
    return isOne ? codec.answerOf(answers[0]) : answers.map(codec.answerOf)
  }

  async readBarrier({ timeoutMs = timeoutMsDefault }: RaftCallOptions = {}): Promise<void> {
    const { quorum, network, clock } = this.#parts
    const { leaderId, nodeId } = this.status()
    if (leaderId === nodeId) return this.#asking(quorum.readBarrier(timeoutMs))
    if (leaderId === null) throw this.#notLeader()
    const deadlineMs = clock.nowMs() + timeoutMs
    const { index } = await this.#asking(network.request(leaderId, readIndex, { timeoutMs }, { timeoutMs }))
    await this.#applied.reached(index, Math.max(0, deadlineMs - clock.nowMs()))
  }

  addVoter(nodeId: number, url: string, { timeoutMs = timeoutMsDefault }: RaftCallOptions = {}): Promise<void> {
    return this.#asking(this.#parts.quorum.addVoter(toNodeId(nodeId), url, timeoutMs))
  }

  removeVoter(nodeId: number, { timeoutMs = timeoutMsDefault }: RaftCallOptions = {}): Promise<void> {
    return this.#asking(this.#parts.quorum.removeVoter(toNodeId(nodeId), timeoutMs))
  }

  transfer(to: number | null, { timeoutMs = timeoutMsDefault }: RaftCallOptions = {}): Promise<number> {
    return this.#asking(this.#parts.quorum.transfer(to === null ? null : toNodeId(to), timeoutMs))
  }

  onLeadership(listener: (term: number | null) => void): () => void {
    this.#listeners.add(listener)
    if (this.#leadingTerm !== null) listener(this.#leadingTerm)
    return () => void this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    return this.#parts.owned.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Whoever is told that this member does not lead is told who does. */
  async #asking<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked
    } catch (error) {
      throw error instanceof ApiError && error.code === 'NOT_CONTROLLER' ? this.#notLeader(error) : error
    }
  }

  #notLeader(cause?: Error): NotLeaderError {
    const { leaderId, nodeId } = this.status()
    // It led when it was asked, or does again: by now nobody can be named.
    const other = leaderId === nodeId ? null : leaderId
    return new NotLeaderError(other, other === null ? null : this.#urlOf(other), cause && { cause })
  }

  #urlOf(id: NodeId): string | null {
    const { voters } = this.status()
    return voters.find(voter => voter.id === id)?.url ?? this.#parts.addresses.voters.get(id) ?? null
  }
}

/** For members that ask this one, as leader, how far they must have come. */
export function readIndexHandler(quorum: () => Quorum | null): Handler {
  return defineHandler(readIndex, async ({ timeoutMs }) => {
    const leader = quorum()
    if (leader === null) throw new ApiError('NOT_CONTROLLER')
    await leader.readBarrier(timeoutMs)
    return { index: leader.status().appliedIndex }
  })
}
