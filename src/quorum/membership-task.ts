/**
 * What an operator asks of a leader takes many steps of the core: each is a task that is looked at after every one of
 * them, does what may be done by then, and has all it needs to know in the configuration. So it can be asked again, of
 * whoever leads, and goes on from there.
 */
import type { ApiError } from '../protocol/errors.ts'
import { isJoint } from '../raft/configuration.ts'
import type { Input, Refusal } from '../raft/input-effect.ts'
import type { Raft } from '../raft/state.ts'
import type { Member } from '../raft/types.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Introduction } from './peer-port.ts'

export interface TaskCore {
  readonly raft: Raft
  /** This member, as the configuration should name it. */
  readonly own: Member
  /** `null`: the core did it. */
  ask(input: Input): Refusal | null
  introductionOf(id: NodeId): Introduction | null
}

/** `string`: it waits, and for what, in one sentence. */
export type Outcome<T> = { readonly value: T } | { readonly error: ApiError } | string

export interface Task<T> {
  advance(core: TaskCore): Outcome<T>
}

/** The configuration is committed, and nothing is being changed. */
export function isSettled({ configurations, log }: Raft): boolean {
  return !isJoint(configurations.current) && configurations.currentIndex <= log.commitIndex
}

/** Why the leader cannot change the configuration now; `null` when it can. */
export function whyNotNow(raft: Raft): string | null {
  const { role, log } = raft
  if (role.kind !== 'leader') return 'This node does not lead.'
  if (role.transfer !== null) return 'The leadership is being handed over.'
  if (log.commitIndex < role.termStartIndex) return 'The leader has not committed anything in its term yet.'
  return isSettled(raft) ? null : 'An earlier change of members is not committed yet.'
}
