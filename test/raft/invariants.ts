/**
 * What must hold after every step, checked where it could break (SPEC.md has the numbers). Everything is compared with
 * what other servers, other lives and the disks say, never with the core's own opinion of itself.
 */
import assert from 'node:assert/strict'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import { hasQuorum } from '../../src/raft/quorum-math.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import type { LogIndex, NodeId } from '../../src/util/numbers.ts'
import { type Cluster, type DiskImage, type Observer, type Packet, type Server, textOf } from './cluster.ts'

/** A server after its last step. */
interface Seen {
  readonly term: number
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly configuration: Configuration
}

export class Invariants implements Observer {
  readonly #cluster: Cluster
  readonly #leaders = new Map<number, NodeId>()
  /** `index/term` → what the entry is and which term is before it. */
  readonly #entries = new Map<string, string>()
  /** index → term of what was committed anywhere. */
  readonly #committed = new Map<number, number>()
  /** index → text of what was applied anywhere. */
  readonly #applied = new Map<number, string>()
  readonly #votes = new Map<string, NodeId>()
  readonly #seen = new Map<NodeId, Seen>()
  readonly #terms = new Map<NodeId, number>()
  readonly #reads = new Map<string, number>()
  /** Term of the entry that an acknowledgement names, as of when it was decided. */
  readonly #promised = new WeakMap<Message, number | null>()
  #highestCommit = 0
  readonly counts = { elections: 0, commits: 0, truncations: 0, snapshotsInstalled: 0, reads: 0, jointCommits: 0 }

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    cluster.observers.push(this)
  }

  get highestCommit(): number {
    return this.#highestCommit
  }

  started(server: Server): void {
    const { raft } = server.life!
    assert.ok(raft.term >= (this.#terms.get(server.id) ?? 0), 'a durable term never falls, also across restarts')
    this.#seen.set(server.id, seenOf(server))
  }

  stepped(server: Server, input: Input, effects: readonly Effect[]): void {
    const { raft } = server.life!
    for (const effect of effects) this.#check(server, effect)
    if (input.kind === 'readIndex') this.#reads.set(`${server.id}/${input.id}`, this.#highestCommit)
    const before = this.#seen.get(server.id)!
    this.#seen.set(server.id, seenOf(server))
    this.#checkMonotonic(server, before)
    if (raft.role.kind === 'leader') this.#checkLeader(server)
    this.#checkCommit(server, before)
  }

  #check(server: Server, effect: Effect): void {
    if (effect.kind === 'persist') for (const entry of effect.entries) this.#checkEntry(server, entry)
    if (effect.kind === 'send' && effect.message.kind === 'appendEntriesReply') {
      this.#promised.set(effect.message, server.life!.raft.log.termAt(effect.message.matchIndex))
    }
    if (effect.kind === 'truncated') this.counts.truncations++
    if (effect.kind === 'restore') this.counts.snapshotsInstalled++
    if (effect.kind === 'readReady') {
      this.counts.reads++
      const key = `${server.id}/${effect.id}`
      assert.ok(effect.index >= this.#reads.get(key)!, 'a read sees everything committed before it was asked')
    }
    if (effect.kind === 'apply') for (const entry of effect.entries) this.#checkApplied(server, entry)
  }

  /** Log matching: same index and term means same entry and same entry before it, by induction the same prefix. */
  #checkEntry(server: Server, entry: Entry): void {
    const before = server.life!.raft.log.termAt((entry.index - 1) as LogIndex)
    const content = `${entry.kind} ${textOf(entry)} after term ${before}`
    const key = `${entry.index}/${entry.term}`
    const known = this.#entries.get(key)
    if (known === undefined) this.#entries.set(key, content)
    // The entry before may be behind a snapshot by now; then its term is not known here.
    else if (before !== null) assert.equal(content, known, `log matching at ${key}`)
  }

  /** State machine safety: nobody applies anything else at the same index. */
  #checkApplied(server: Server, entry: Entry): void {
    const content = `${entry.term} ${entry.kind} ${textOf(entry)}`
    const known = this.#applied.get(entry.index)
    if (known === undefined) this.#applied.set(entry.index, content)
    else assert.equal(content, known, `state machine safety at ${entry.index} on ${server.id}`)
    assert.equal(imageTermAt(server.image, entry.index), entry.term, 'what is applied is on the own disk')
  }

  #checkMonotonic(server: Server, seen: Seen): void {
    const { raft } = server.life!
    const { commitIndex, appliedIndex } = raft.log
    assert.ok(raft.term >= seen.term, 'term never falls')
    assert.ok(commitIndex >= seen.commitIndex, 'commitIndex never falls')
    assert.ok(appliedIndex >= seen.appliedIndex, 'appliedIndex never falls')
    assert.ok(appliedIndex <= commitIndex, 'appliedIndex <= commitIndex')
  }

  #checkLeader(server: Server): void {
    const { raft } = server.life!
    const known = this.#leaders.get(raft.term)
    if (known !== undefined) {
      assert.equal(server.id, known, `election safety: one leader in term ${raft.term}`)
      return
    }
    this.#leaders.set(raft.term, server.id)
    this.counts.elections++
    for (const [index, term] of this.#committed) {
      if (index < raft.log.baseIndex) continue
      assert.equal(raft.log.termAt(index as LogIndex), term, `leader completeness at ${index} in term ${raft.term}`)
    }
  }

  #checkCommit(server: Server, before: Seen): void {
    const { raft } = server.life!
    const { log, role } = raft
    for (let index = Math.max(log.baseIndex, before.commitIndex) + 1; index <= log.commitIndex; index++) {
      const term = log.termAt(index as LogIndex)!
      const known = this.#committed.get(index)
      if (known !== undefined) {
        assert.equal(term, known, `committed once, committed for ever: ${index}`)
        continue
      }
      this.#committed.set(index, term)
      this.counts.commits++
    }
    if (role.kind === 'leader' && log.commitIndex > this.#highestCommit)
      this.#checkQuorumHolds(server, before.configuration)
    this.#highestCommit = Math.max(this.#highestCommit, log.commitIndex)
  }

  /** A leader may call committed only what is on the disks of a quorum and of its own term. */
  #checkQuorumHolds(server: Server, counted: Configuration): void {
    const { log, term } = server.life!.raft
    const index = log.commitIndex
    assert.equal(log.termAt(index), term, 'only an entry of the own term is committed by counting')
    // Counted with the configuration from before the step: the commit itself may have ended it.
    if (counted.oldVoters.length > 0) this.counts.jointCommits++
    const holds = (id: NodeId): boolean => imageTermAt(this.#cluster.server(id).image, index) === log.termAt(index)
    assert.ok(hasQuorum(counted, holds), `committed index ${index} is on the disks of a quorum`)
  }

  /** Disk before wire, and one vote a term over all lives. */
  leaving(server: Server, { to, message }: Packet): void {
    const { term, votedFor } = server.image.hardState
    if (message.kind === 'preVote' || message.kind === 'preVoteReply') return
    assert.ok(message.term <= term, `disk before wire: term of ${message.kind}`)
    const vote = message.kind === 'requestVote' ? server.id : to
    if (message.kind === 'requestVote' || (message.kind === 'requestVoteReply' && message.isGranted)) {
      // Whoever is durably in a later term can never vote in this one again.
      if (message.term === term) assert.equal(votedFor, vote, 'disk before wire: vote')
      const key = `${server.id}/${message.term}`
      assert.equal(this.#votes.get(key) ?? vote, vote, `one vote a term: ${key}`)
      this.#votes.set(key, vote)
    }
    if (message.kind === 'appendEntriesReply' && message.term === term) {
      const isHeld = imageTermAt(server.image, message.matchIndex) === this.#promised.get(message)
      assert.ok(isHeld || message.matchIndex <= imageStart(server.image), 'disk before wire: acknowledged entries')
    }
  }

  written(server: Server): void {
    this.#terms.set(server.id, server.image.hardState.term)
  }
}

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

function imageStart(image: DiskImage): number {
  return image.snapshot?.meta.index ?? 0
}

function seenOf(server: Server): Seen {
  const { term, log, configurations } = server.life!.raft
  return { term, commitIndex: log.commitIndex, appliedIndex: log.appliedIndex, configuration: configurations.current }
}
