/** Messages that need not leave, because the one behind them, in the same turn, says all that they say. */
import type { Message } from '../../raft/messages.ts'

/**
 * True when whoever gets `next` right after `message` learns nothing from `message`. A message may be lost on its way in
 * any case, so leaving one out can only cost what it would have told; both sides would handle both, and answer both.
 *
 * - A commit index that was about to travel alone goes with the entries proposed by those it was good news for.
 * - Appends that became durable with one write are acknowledged by the last of them.
 */
export function isOvertaken(message: Message, next: Message): boolean {
  if (message.from !== next.from || message.term !== next.term) return false
  if (message.kind === 'appendEntries' && next.kind === 'appendEntries') {
    return (
      message.entries.length === 0 &&
      message.prevIndex === next.prevIndex &&
      message.prevTerm === next.prevTerm &&
      message.commitIndex <= next.commitIndex &&
      message.round <= next.round
    )
  }
  return (
    message.kind === 'appendEntriesReply' &&
    next.kind === 'appendEntriesReply' &&
    message.matchIndex <= next.matchIndex &&
    message.round <= next.round
  )
}
