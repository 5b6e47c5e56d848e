/**
 * Disk before wire (Ongaro and Ousterhout 2014, figure 2: "updated on stable storage before responding to RPCs"): when a
 * message leaves, what is certain to survive a power cut holds the term, the vote and the entries that it promises.
 *
 * It is compared with what the message promises, not with what the core thinks now: a member that is durably in a later
 * term can break no promise of an earlier one any more.
 */
import type { Effect, Input } from '../../../raft/input-effect.ts'
import type { Message } from '../../../raft/messages.ts'
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

const name = 'disk before wire'

export class DiskBeforeWire implements Invariant {
  /** Term of the entry that an acknowledgement names, as of when it was decided. */
  readonly #promised = new WeakMap<Message, number | null>()

  stepped({ raft }: MemberView, _input: Input, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send' && effect.message.kind === 'appendEntriesReply') {
        this.#promised.set(effect.message, raft.log.termAt(effect.message.matchIndex))
      }
    }
  }

  sending(member: MemberView, to: NodeId, message: Message): void {
    // Neither names a term that anybody has begun.
    if (message.kind === 'preVote' || message.kind === 'preVoteReply') return
    const durable = member.durable()
    const { term, votedFor } = durable.hardState
    hold(message.term <= term, name, () => `${what(member, message)}, whose disk is in term ${term}`)
    if (message.term < term) return
    const isVote = message.kind === 'requestVote' || (message.kind === 'requestVoteReply' && message.isGranted)
    const vote = message.kind === 'requestVote' ? member.id : to
    hold(!isVote || votedFor === vote, name, () => `${what(member, message)}: for ${vote}, on disk for ${votedFor}`)
    if (message.kind !== 'appendEntriesReply' || message.matchIndex <= (durable.snapshot?.index ?? 0)) return
    const held = durable.termAt(message.matchIndex)
    const promised = this.#promised.get(message)
    hold(held === promised, name, () => {
      return `${what(member, message)}: entry ${message.matchIndex} of term ${promised}, on disk of ${held}`
    })
  }
}

function what({ id }: MemberView, { kind, term }: Message): string {
  return `${kind} of term ${term} from ${id}`
}
