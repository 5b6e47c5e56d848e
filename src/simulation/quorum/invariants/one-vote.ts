/** One vote a term, over all lives of a disk (Ongaro and Ousterhout 2014, section 5.2). */
import type { Message } from '../../../raft/messages.ts'
import type { NodeId } from '../../../util/numbers.ts'
import { hold, type Invariant, type MemberView } from './invariant.ts'

export class OneVote implements Invariant {
  /** `disk/term` → who got the vote. */
  readonly #votes = new Map<string, NodeId>()

  sending(member: MemberView, to: NodeId, message: Message): void {
    const isVote = message.kind === 'requestVote' || (message.kind === 'requestVoteReply' && message.isGranted)
    if (!isVote) return
    const vote = message.kind === 'requestVote' ? member.id : to
    const key = `${member.diskId}/${message.term}`
    const known = this.#votes.get(key) ?? vote
    hold(known === vote, 'one vote a term', () => `${member.id} voted in term ${message.term} for ${known} and ${vote}`)
    this.#votes.set(key, vote)
  }
}
