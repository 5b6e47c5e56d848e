/** The shape of an invariant: what it is shown, step by step. It throws when what must not be is. */
import type { Effect, Input } from '../../../src/raft/input-effect.ts'
import type { Raft } from '../../../src/raft/state.ts'
import type { Configuration } from '../../../src/raft/types.ts'
import type { NodeId } from '../../../src/util/numbers.ts'
import type { Cluster, Packet, Server } from '../cluster.ts'
import type { DiskImage } from '../disk-image.ts'

/** A server between two steps. */
export interface Seen {
  readonly isLeader: boolean
  readonly term: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly snapshotIndex: number
  readonly configuration: Configuration
}

/** What is known of all servers, all lives and all disks together, before the step. */
export interface History {
  readonly cluster: Cluster
  /** Index → term of what was committed anywhere. */
  readonly committed: ReadonlyMap<number, number>
  readonly highestCommit: number
}

export interface StepView {
  readonly server: Server
  /** After the step. */
  readonly raft: Raft
  readonly input: Input
  readonly effects: readonly Effect[]
  readonly before: Seen
  readonly history: History
}

export interface Invariant {
  started?(server: Server): void
  stepped?(view: StepView): void
  /** A message is leaving: from here on the sender is held to it. */
  leaving?(server: Server, packet: Packet): void
  written?(server: Server): void
}

export function seenOf(server: Server): Seen {
  const { term, log, configurations, role, snapshot } = server.life!.raft
  return {
    isLeader: role.kind === 'leader',
    term,
    commitIndex: log.commitIndex,
    appliedIndex: log.appliedIndex,
    snapshotIndex: snapshot?.index ?? 0,
    configuration: configurations.current,
  }
}

/** `null` where the disk has nothing at `index`, or nothing any more. */
export function imageTermAt(image: DiskImage, index: number): number | null {
  if (index === 0) return 0
  const first = image.entries[0]?.index
  if (first !== undefined && index >= first) {
    const entry = image.entries[index - first]
    if (entry !== undefined) return entry.term
  }
  if (image.snapshot !== null && index === image.snapshot.meta.index) return image.snapshot.meta.term
  return null
}

export function diskIn(configuration: Configuration, id: NodeId): string | undefined {
  return configuration.members?.find(member => member.id === id)?.diskId
}
