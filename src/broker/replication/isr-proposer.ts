/**
 * Asks the controller for the in-sync replicas that leaders here want: followers that fell behind leave, those that have
 * everything join. All partitions of a moment go in one request, and one request is under way (KIP-497).
 *
 * A proposal holds until the metadata, or the controller's answer, say what became of it: while nobody knows, the old and
 * the new ISR both count (see LeaderReplica).
 */
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { alterPartition } from '../../protocol/apis/index.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError, errorName } from '../../protocol/errors.ts'
import type { IsrProposal } from '../../replication/leader-replica.ts'
import type { Clock, Timer } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import { type BrokerEpoch, type NodeId, toNodeId } from '../../util/numbers.ts'
import type { Leading } from '../leading.ts'
import type { ControllerChannel } from '../ports.ts'

export interface IsrProposerOptions {
  readonly nodeId: NodeId
  readonly clock: Clock
  readonly logger: Logger
  readonly controller: ControllerChannel
  /** Of this broker's registration; `null` before it is registered. */
  readonly brokerEpoch: () => BrokerEpoch | null
  /** A member of the ISR that has not had everything for so long leaves it. */
  readonly lagMsMax: number
}

type Answer = ResponseOf<typeof alterPartition>['partitions'][number]
type Asked = readonly { readonly leading: Leading; readonly proposal: IsrProposal }[]

const retryMs = 250

export class IsrProposer {
  readonly #options: IsrProposerOptions
  readonly #due = new Set<Leading>()
  #isUnderWay = false
  #isSendDue = false
  #retryTimer: Timer | null = null
  #lagTimer: Timer | null = null
  #isClosed = false

  constructor(options: IsrProposerOptions) {
    this.#options = options
  }

  /** Looks twice in the time a follower may lag at partitions where time alone can change something. */
  watch(leaders: () => Iterable<Leading>): void {
    const { clock, lagMsMax } = this.#options
    this.#lagTimer = clock.setTimer(lagMsMax / 2, () => {
      for (const leading of leaders()) {
        const { replica, log } = leading
        if (replica.isAwaiting(log.logEndOffset) || replica.isr.length <= replica.followers.size) this.look(leading)
      }
      this.watch(leaders)
    })
  }

  /** Something changed for a partition that is led here. */
  look(leading: Leading): void {
    const { clock, lagMsMax } = this.#options
    const { replica, log } = leading
    if (this.#isClosed || replica.proposeIsr(clock.nowMs(), lagMsMax, log) === null) return
    this.#due.add(leading)
    this.#sendSoon()
  }

  /** It is not led here any more. */
  forget(leading: Leading): void {
    this.#due.delete(leading)
  }

  close(): void {
    this.#isClosed = true
    this.#lagTimer?.cancel()
    this.#retryTimer?.cancel()
    this.#due.clear()
  }

  #sendSoon(): void {
    if (this.#isSendDue || this.#isUnderWay || this.#retryTimer !== null) return
    this.#isSendDue = true
    this.#options.clock.defer(() => {
      this.#isSendDue = false
      this.#send()
    })
  }

  #send(): void {
    const { nodeId, brokerEpoch: epochOf, controller } = this.#options
    const brokerEpoch = epochOf()
    if (this.#isClosed || this.#due.size === 0) return
    if (brokerEpoch === null) {
      this.#retryLater()
      return
    }
    const asked: { leading: Leading; proposal: IsrProposal }[] = []
    for (const leading of this.#due) {
      if (asked.length === limits.items) break
      this.#due.delete(leading)
      const { proposal } = leading.replica
      if (proposal !== null) asked.push({ leading, proposal })
    }
    if (asked.length === 0) return
    this.#isUnderWay = true
    controller
      .request(alterPartition, { nodeId, brokerEpoch, partitions: asked.map(bodyOf) })
      .then(
        ({ partitions }) => this.#onAnswers(asked, partitions),
        (error: unknown) => this.#onFailed(asked, error),
      )
      .finally(() => {
        this.#isUnderWay = false
        this.#sendSoon()
      })
  }

  #onAnswers(asked: Asked, answers: readonly Answer[]): void {
    for (const [at, { leading, proposal }] of asked.entries()) {
      const answer = answers[at]
      if (answer !== undefined && leading.replica.proposal === proposal) this.#onAnswer(leading, proposal, answer)
    }
  }

  #onAnswer(leading: Leading, proposal: IsrProposal, answer: Answer): void {
    const { logger, clock } = this.#options
    const { topic, partition } = leading.log.id
    const error = errorName(answer.errorCode)
    if (error === null) {
      leading.onIsr(answer.isr.map(toNodeId), answer.partitionEpoch)
      return
    }
    logger.debug({ topic, partition, error, reason: answer.errorMessage }, 'the controller refused in-sync replicas')
    // That the epochs are not the current ones: the metadata that say so are on their way, and say what is.
    if (error !== 'INELIGIBLE_REPLICA' && error !== 'INVALID_REQUEST') return
    leading.replica.onProposalRefused(proposal)
    clock.setTimer(retryMs, () => {
      if (leading.isActive) this.look(leading)
    })
  }

  /** Whether anything came of it is open: the same is asked again. */
  #onFailed(asked: Asked, error: unknown): void {
    if (this.#isClosed) return
    const reason = error instanceof Error ? error.message : String(error)
    const isExpected = error instanceof ApiError
    this.#options.logger[isExpected ? 'debug' : 'error']({ reason }, 'in-sync replicas could not be changed yet')
    for (const { leading, proposal } of asked) {
      if (leading.isActive && leading.replica.proposal === proposal) this.#due.add(leading)
    }
    this.#retryLater()
  }

  #retryLater(): void {
    this.#retryTimer = this.#options.clock.setTimer(retryMs, () => {
      this.#retryTimer = null
      this.#sendSoon()
    })
  }
}

function bodyOf({ leading, proposal }: Asked[number]): RequestOf<typeof alterPartition>['partitions'][number] {
  const { topicId, partition } = leading.log.id
  const { leaderEpoch } = leading
  const { partitionEpoch, isr } = proposal
  return { topicId, partition, leaderEpoch, partitionEpoch, newIsr: [...isr] }
}
