/**
 * This member among the others: who is there, where they are reached, whose words reach the core, and whom a leader feeds
 * that is in no configuration. The transport calls it; it calls the core.
 */
import { ApiError } from '../protocol/errors.ts'
import { isMember, isNamed } from '../raft/configuration.ts'
import type { Input } from '../raft/input-effect.ts'
import type { Message } from '../raft/messages.ts'
import { isSoleVoter, type Raft } from '../raft/state.ts'
import type { NodeId } from '../util/numbers.ts'
import { AddressBook } from './address-book.ts'
import { maybeFound } from './founding.ts'
import { defaultSnapshotBytesMax, type QuorumOptions } from './options.ts'
import type { ChunkAnswer, Introduction, PeerReceiver, SnapshotChunk } from './peer-port.ts'
import type { QuorumRules } from './rules.ts'
import { runWhole } from './slices.ts'
import { notWanted, SnapshotReceiver } from './snapshot-receiver.ts'

/** Election timeouts that a blank member waits to be fed by a cluster before it says what may be wrong. */
const blankTimeoutsMax = 5

/** Of a log that was begun before clusters had names: whoever hears it must not take its member for blank. */
const unnamedCluster = 'unnamed'

export interface PeersCore {
  readonly raft: Raft
  readonly drive: (input: Input) => void
  readonly isStopped: () => boolean
}

export class Peers implements PeerReceiver {
  readonly #core: PeersCore
  readonly #options: QuorumOptions
  readonly #rules: QuorumRules
  readonly #book: AddressBook
  readonly #receiver: SnapshotReceiver
  #reached: ReadonlyMap<NodeId, string> = new Map()
  /** As they were when they were last looked at: replaced, never changed, by the core. */
  #configuration: Raft['configurations']['current']
  #role: Raft['role']
  /** The cluster this member last introduced itself as one of. */
  #clusterId: string | null
  #blankTicks = 0
  /** Disks that were warned of. */
  readonly #strangers = new Set<string>()

  constructor(core: PeersCore, options: QuorumOptions, rules: QuorumRules) {
    const { raft } = core
    this.#core = core
    this.#options = options
    this.#rules = rules
    this.#book = new AddressBook(options.nodeId, options.voters)
    this.#receiver = new SnapshotReceiver(options.snapshotBytesMax ?? defaultSnapshotBytesMax, rules)
    this.#configuration = raft.configurations.current
    this.#role = raft.role
    this.#clusterId = this.#configuration.clusterId ?? null
  }

  /** From here on others are listened to. */
  open(): void {
    this.#options.peers.open(this)
    this.#reach()
    const hasFounded = this.#maybeFound()
    // Nobody to wait for.
    if (!hasFounded && isSoleVoter(this.#core.raft)) this.#core.drive({ kind: 'campaign' })
  }

  /** Of whoever is there now. */
  introductionOf(id: NodeId): Introduction | null {
    return this.#book.present.get(id) ?? null
  }

  /** Wants to hear from `id`, which is to be added. */
  seek(id: NodeId, url: string): void {
    this.#book.ask(id, url)
    this.#reach()
  }

  seekNoMore(id: NodeId): void {
    this.#book.forget(id)
    this.#reach()
  }

  introduction(): Introduction {
    const { nodeId, storage, url } = this.#options
    return { nodeId, diskId: storage.diskId, clusterId: this.#cluster, url }
  }

  onIntroduction(peer: Introduction): void {
    if (this.#core.isStopped()) throw new ApiError('SHUTTING_DOWN')
    this.#checkCluster(peer)
    this.#book.introduced(peer)
    this.#warnOfStranger(peer)
    this.#reach()
    this.#feed(peer)
    this.#maybeFound()
  }

  onMessage(message: Message, fromDisk: string): void {
    this.#core.drive({ kind: 'message', message, fromDisk })
  }

  onChunk(chunk: SnapshotChunk, fromDisk: string): ChunkAnswer {
    if (this.#core.isStopped()) throw new ApiError('SHUTTING_DOWN')
    const { raft } = this.#core
    const { from, term, round, meta, sizeBytes } = chunk
    if (term < raft.term || this.#isForeign(meta.configuration.clusterId ?? null)) return { nextOffset: notWanted }
    // What it stands for is here already. Saying so, the leader goes on behind it.
    if (meta.index <= raft.log.commitIndex) return { nextOffset: sizeBytes }
    const { nextOffset, snapshot } = this.#receiver.take(chunk)
    if (snapshot !== null) {
      if (!this.#rules.restoreWaitsForDisk) runWhole(this.#options.stateMachine.restore(snapshot.data, meta.index))
      this.#core.drive({ kind: 'message', message: { kind: 'installSnapshot', from, term, round, snapshot }, fromDisk })
    }
    return { nextOffset }
  }

  onGone(id: NodeId): void {
    if (this.#core.isStopped()) return
    this.#book.gone(id, this.#configuration)
    this.#reach()
    this.#core.drive(this.#role.kind === 'leader' ? { kind: 'unobserve', id } : { kind: 'peerGone', id })
  }

  /** After each step of the core: two comparisons, unless something changed. */
  look(): void {
    const { role, configurations } = this.#core.raft
    const { current } = configurations
    if (role === this.#role && current === this.#configuration) return
    const isNewLeader = role.kind === 'leader' && role !== this.#role
    const isNewConfiguration = current !== this.#configuration
    this.#role = role
    this.#configuration = current
    if (isNewConfiguration) this.#onConfiguration()
    if (isNewConfiguration || isNewLeader) for (const peer of this.#book.present.values()) this.#feed(peer)
  }

  onTick(): void {
    const { raft } = this.#core
    this.#receiver.forgetUpTo(raft.log.commitIndex)
    if (!this.#isBlank || !this.#knowsCluster) return
    const { nodeId, voters, logger } = this.#options
    if (++this.#blankTicks !== blankTimeoutsMax * raft.options.electionTimeoutTicks || !voters.has(nodeId)) return
    const advice = `if its disk was lost: quorum remove-voter ${nodeId}, then quorum add-voter ${nodeId}`
    logger.warn({ nodeId, advice }, 'the cluster exists and does not feed this member, whose disk is blank')
  }

  get #isBlank(): boolean {
    return this.#configuration.voters.length === 0
  }

  /** `null` while the log is blank. */
  get #cluster(): string | null {
    return this.#configuration.clusterId ?? (this.#isBlank ? null : unnamedCluster)
  }

  get #knowsCluster(): boolean {
    for (const { clusterId } of this.#book.present.values()) if (clusterId !== null) return true
    return false
  }

  #isForeign(clusterId: string | null): boolean {
    const own = this.#cluster
    return this.#rules.clustersKeepApart && own !== null && clusterId !== null && own !== clusterId
  }

  #checkCluster({ nodeId, clusterId }: Introduction): void {
    if (!this.#isForeign(clusterId)) return
    const own = `node ${this.#options.nodeId} to ${this.#cluster}`
    const text = `Node ${nodeId} belongs to cluster ${clusterId}, ${own}: an address or a data directory is another cluster's.`
    throw new ApiError('INCONSISTENT_CLUSTER_ID', text)
  }

  #warnOfStranger({ nodeId, diskId }: Introduction): void {
    if (isNamed(this.#configuration, nodeId, diskId) || this.#strangers.has(diskId)) return
    this.#strangers.add(diskId)
    const advice = `quorum remove-voter ${nodeId}, then quorum add-voter ${nodeId}`
    this.#options.logger.warn(
      { nodeId, diskId, advice },
      'a member came with another disk: it does not count as itself',
    )
  }

  /** A leader feeds whoever is there; the core knows its members and those it was told of already. */
  #feed({ nodeId, diskId }: Introduction): void {
    if (this.#role.kind !== 'leader' || isMember(this.#configuration, nodeId)) return
    this.#core.drive({ kind: 'observe', id: nodeId, diskId })
  }

  #onConfiguration(): void {
    const { clusterId = null } = this.#configuration
    this.#reach()
    if (clusterId === this.#clusterId) return
    this.#clusterId = clusterId
    this.#options.logger.info({ nodeId: this.#options.nodeId, clusterId }, 'belongs to a cluster')
    this.#options.peers.introduceAgain()
  }

  #reach(): void {
    const addresses = this.#book.addresses(this.#configuration)
    if (isSameMap(addresses, this.#reached)) return
    this.#reached = addresses
    this.#options.peers.reach(addresses)
  }

  #maybeFound(): boolean {
    if (!this.#isBlank || this.#core.raft.installing !== null) return false
    const configuration = maybeFound(this.introduction(), this.#options.voters, this.#book.present, this.#rules)
    if (configuration === null) return false
    const { nodeId, logger } = this.#options
    logger.info({ nodeId, clusterId: configuration.clusterId, voters: configuration.voters }, 'founds a cluster')
    this.#core.drive({ kind: 'found', configuration })
    // Everybody is there and nobody leads: no reason to wait for an election timeout.
    this.#core.drive({ kind: 'campaign' })
    return true
  }
}

function isSameMap(a: ReadonlyMap<NodeId, string>, b: ReadonlyMap<NodeId, string>): boolean {
  if (a.size !== b.size) return false
  for (const [id, url] of a) if (b.get(id) !== url) return false
  return true
}
