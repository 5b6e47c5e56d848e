/**
 * How the members of one quorum reach each other, as a port: real connections (`network/`), a simulated network, or
 * nobody. It carries and never interprets: who may vote, lead or be fed is for the core and the driver.
 */
import { ApiError } from '../protocol/errors.ts'
import type { Message } from '../raft/messages.ts'
import type { SnapshotMeta } from '../raft/types.ts'
import type { NodeId, Term } from '../util/numbers.ts'

/** What a member says of itself at the beginning of each connection, in both directions, and again when it changes. */
export interface Introduction {
  readonly nodeId: NodeId
  /** Of its storage, made with it: a member whose disk was lost comes back with another one. */
  readonly diskId: string
  /** The cluster its log belongs to; `null` while the log is blank. */
  readonly clusterId: string | null
  /** Where it listens for other members. */
  readonly url: string
}

/** A piece of a snapshot on its way to a follower. Every piece names the whole, so that a transfer can begin anywhere. */
export interface SnapshotChunk {
  readonly from: NodeId
  readonly term: Term
  readonly round: number
  readonly meta: SnapshotMeta
  /** Of the whole snapshot. */
  readonly sizeBytes: number
  /** CRC-32C of the whole snapshot. */
  readonly checksum: number
  /** Where `data` belongs. */
  readonly offset: number
  readonly data: Uint8Array
  /** CRC-32C of `data`. */
  readonly dataChecksum: number
}

export interface ChunkAnswer {
  /**
   * What the receiver wants next: the end of what it has. `sizeBytes` when it has everything; -1 when it does not want
   * this snapshot (a newer term, a newer snapshot, another cluster).
   */
  readonly nextOffset: number
}

/** The member, as the transport sees it. */
export interface PeerReceiver {
  /** Asked at each introduction. */
  introduction(): Introduction
  /** A peer introduced itself. Throws `ApiError` to refuse it: the reason goes back, the connection ends. */
  onIntroduction(peer: Introduction): void
  /** `fromDisk` is what the sender's connection introduced itself with. */
  onMessage(message: Message, fromDisk: string): void
  onChunk(chunk: SnapshotChunk, fromDisk: string): ChunkAnswer | Promise<ChunkAnswer>
  /** The last connection from this peer is gone. */
  onGone(nodeId: NodeId): void
}

export interface PeerTransport {
  /** Called once, before anything else. */
  open(receiver: PeerReceiver): void
  /**
   * Whom this member wants to reach, and where; replaces what was said before. The transport keeps a connection to each,
   * tries again when one is lost, and introduces this member first.
   */
  reach(addresses: ReadonlyMap<NodeId, string>): void
  /** What `introduction()` says has changed: says it again on every connection. */
  introduceAgain(): void
  /** Sends and forgets. A message may be lost, late, repeated or overtaken; it is never changed. Bounded: what does not fit is lost. */
  send(to: NodeId, message: Message): void
  /** Resolves with the answer; rejects, always, when none comes. */
  sendChunk(to: NodeId, chunk: SnapshotChunk): Promise<ChunkAnswer>
}

/** For a quorum of one: there is nobody to reach. */
export const noPeers: PeerTransport = {
  open() {},
  reach() {},
  introduceAgain() {},
  send() {},
  sendChunk: async () => {
    throw new ApiError('NETWORK_EXCEPTION', 'This quorum has no peers.')
  },
}
