/**
 * A message leaves only when its sender's disk holds the term, the vote and the entries it promises (section 5.2: "updated
 * on stable storage before responding"; KAFKA-10533, sofa-jraft 1245, redpanda 9ff1818afd).
 */
import assert from 'node:assert/strict'
import type { Message } from '../../../src/raft/messages.ts'
import { type Invariant, imageTermAt } from './invariant.ts'

export function diskBeforeWire(): Invariant {
  /** Term of the entry that an acknowledgement names, as of when it was decided. */
  const promised = new WeakMap<Message, number | null>()
  return {
    stepped({ raft, effects }) {
      for (const effect of effects) {
        if (effect.kind !== 'send' || effect.message.kind !== 'appendEntriesReply') continue
        promised.set(effect.message, raft.log.termAt(effect.message.matchIndex))
      }
    },
    leaving({ id, image }, { to, message }) {
      const { term, votedFor } = image.hardState
      // A PreVote and its answer promise nothing.
      if (message.kind === 'preVote' || message.kind === 'preVoteReply') return
      assert.ok(message.term <= term, `disk before wire: term of ${message.kind}`)
      // Whoever is durably in a later term can never vote or acknowledge in this one again.
      if (message.term < term) return
      if (message.kind === 'requestVote') assert.equal(votedFor, id, 'disk before wire: own vote')
      if (message.kind === 'requestVoteReply' && message.isGranted) assert.equal(votedFor, to, 'disk before wire: vote')
      if (message.kind !== 'appendEntriesReply') return
      const isHeld = imageTermAt(image, message.matchIndex) === promised.get(message)
      const isInSnapshot = message.matchIndex <= (image.snapshot?.meta.index ?? 0)
      assert.ok(isHeld || isInSnapshot, 'disk before wire: acknowledged entries')
    },
  }
}
