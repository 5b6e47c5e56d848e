/**
 * What must hold, whatever happens. Each invariant is a file here with its source; it is told what happens, compares it
 * with what other members, other lives and the disks said, and throws a `Violation`. All of them are incremental.
 */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { Message } from '../../../raft/messages.ts'
import type { Raft } from '../../../raft/state.ts'
import type { HardState, SnapshotMeta } from '../../../raft/types.ts'
import type { LogIndex, NodeId } from '../../../util/numbers.ts'
import type { Command } from '../register-machine.ts'

/** What is certain to survive a power cut now. */
export interface DurableImage {
  readonly hardState: HardState
  readonly snapshot: SnapshotMeta | null
  /** Of the entry at `index` or the snapshot that ends there; `null` when neither is there. */
  termAt(index: number): number | null
}

/** A running member, as seen from outside. */
export interface MemberView {
  readonly id: NodeId
  readonly diskId: string
  readonly raft: Raft
  durable(): DurableImage
}

export interface Invariant {
  /** A life begins; nothing happened in it yet. */
  started?(member: MemberView): void
  /** The core took `input`; `effects` were not carried out yet. */
  stepped?(member: MemberView, input: Input, effects: readonly Effect[]): void
  /** `message` is leaving for `to` this moment. */
  sending?(member: MemberView, to: NodeId, message: Message): void
  /** `hash` stands for everything that this machine applied up to `index`, by itself or in a snapshot. */
  applied?(member: NodeId, index: LogIndex, hash: number): void
  restored?(member: NodeId, index: LogIndex, hash: number): void
  /** `command` took effect. */
  executed?(member: NodeId, index: LogIndex, command: Command): void
}

export class Violation extends Error {}

export function hold(condition: boolean, invariant: string, details: () => string): asserts condition {
  if (!condition) throw new Violation(`${invariant}: ${details()}`)
}
