/** All invariants over one run, each handed what it asks for; the first violation is kept and ends the run. */
import type { Effect, Input } from '../../raft/input-effect.ts'
import type { Message } from '../../raft/messages.ts'
import type { LogIndex, NodeId } from '../../util/numbers.ts'
import { AppliedIsCommitted } from './invariants/applied-is-committed.ts'
import { CommittedLog } from './invariants/committed-log.ts'
import { DiskBeforeWire } from './invariants/disk-before-wire.ts'
import { ElectionSafety } from './invariants/election-safety.ts'
import { FoundedOnce } from './invariants/founded-once.ts'
import { FreshReads } from './invariants/fresh-reads.ts'
import type { Invariant, MemberView } from './invariants/invariant.ts'
import { LeaderAppendOnly } from './invariants/leader-append-only.ts'
import { LeaderCompleteness } from './invariants/leader-completeness.ts'
import { LogMatching } from './invariants/log-matching.ts'
import { Monotonic } from './invariants/monotonic.ts'
import { OneConfiguration } from './invariants/one-configuration.ts'
import { OneVote } from './invariants/one-vote.ts'
import { QuorumOnDisk } from './invariants/quorum-on-disk.ts'
import { RefusedHasNoEffect } from './invariants/refused-has-no-effect.ts'
import { SessionsOnce } from './invariants/sessions-once.ts'
import { StateMachineSafety } from './invariants/state-machine-safety.ts'
import type { Command } from './register-machine.ts'

export class Checks implements Required<Invariant> {
  readonly committed = new CommittedLog()
  readonly configurations = new OneConfiguration(this.committed)
  readonly #reads: FreshReads
  readonly #refusals = new RefusedHasNoEffect()
  readonly #started: Invariant[]
  readonly #stepped: Invariant[]
  readonly #sending: Invariant[]
  readonly #applied: Invariant[]
  readonly #restored: Invariant[]
  readonly #executed: Invariant[]
  #failure: Error | null = null

  /** `holds`: see `QuorumOnDisk`. */
  constructor(
    founders: readonly NodeId[],
    holds: (id: NodeId, index: number, term: number) => boolean,
    watchers: readonly Invariant[],
  ) {
    const { committed } = this
    this.#reads = new FreshReads(committed)
    const all: Invariant[] = [
      this.#reads,
      // Asked by the others, so it comes before them.
      committed,
      new FoundedOnce(founders),
      new DiskBeforeWire(),
      new OneVote(),
      new ElectionSafety(),
      new LeaderAppendOnly(),
      new LogMatching(),
      new LeaderCompleteness(committed),
      new QuorumOnDisk(holds),
      new StateMachineSafety(),
      new AppliedIsCommitted(),
      new Monotonic(),
      new SessionsOnce(),
      this.#refusals,
      this.configurations,
      ...watchers,
    ]
    this.#started = all.filter(invariant => invariant.started !== undefined)
    this.#stepped = all.filter(invariant => invariant.stepped !== undefined)
    this.#sending = all.filter(invariant => invariant.sending !== undefined)
    this.#applied = all.filter(invariant => invariant.applied !== undefined)
    this.#restored = all.filter(invariant => invariant.restored !== undefined)
    this.#executed = all.filter(invariant => invariant.executed !== undefined)
  }

  /** The first thing that went wrong. */
  get failure(): Error | null {
    return this.#failure
  }

  keep(error: unknown): void {
    this.#failure ??= error as Error
  }

  started(member: MemberView): void {
    this.#each(this.#started, invariant => invariant.started!(member))
  }

  stepped(member: MemberView, input: Input, effects: readonly Effect[]): void {
    this.#each(this.#stepped, invariant => invariant.stepped!(member, input, effects))
  }

  sending(member: MemberView, to: NodeId, message: Message): void {
    this.#each(this.#sending, invariant => invariant.sending!(member, to, message))
  }

  applied(member: NodeId, index: LogIndex, hash: number): void {
    this.#each(this.#applied, invariant => invariant.applied!(member, index, hash))
  }

  restored(member: NodeId, index: LogIndex, hash: number): void {
    this.#each(this.#restored, invariant => invariant.restored!(member, index, hash))
  }

  executed(member: NodeId, index: LogIndex, command: Command): void {
    this.#each(this.#executed, invariant => invariant.executed!(member, index, command))
  }

  /** See `FreshReads`. */
  answered(member: NodeId, appliedIndex: number, least: number): void {
    this.#each([this.#reads], () => this.#reads.answered(member, appliedIndex, least))
  }

  /** See `RefusedHasNoEffect`. */
  refused(client: string, request: number): void {
    this.#each([this.#refusals], () => this.#refusals.refused(client, request))
  }

  #each(invariants: readonly Invariant[], tell: (invariant: Invariant) => void): void {
    try {
      for (const invariant of invariants) tell(invariant)
    } catch (error) {
      // Nothing is thrown into production code; the run ends with this event.
      this.keep(error)
    }
  }
}
