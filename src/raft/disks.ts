/**
 * Whose word counts. A server that lost its disk has forgotten its votes and its log: under the same number it is somebody
 * else, so nothing it says may be counted, and it may not stand for election, until it was removed and added again.
 *
 * What leaders and candidates ask of this server is answered whatever their disk: a configuration in this log may be the
 * older one, and a server that is shut out by it would never be told the newer. That is safe because nobody stands for
 * election in a configuration that names another disk than its own, and because who asks knows which answers to count.
 */
import type { NodeId } from '../util/numbers.ts'
import { isNamed } from './configuration.ts'
import type { Message } from './messages.ts'
import type { Raft } from './state.ts'

/** True for an answer that comes from another disk than the one its sender is known by. */
export function isForeignAnswer(raft: Raft, message: Message, fromDisk: string | undefined): boolean {
  if (fromDisk === undefined || !raft.rules.knowsDisks || !isAnswer(message)) return false
  const diskId = diskOf(raft, message.from)
  return diskId !== null && diskId !== fromDisk
}

/** False when the current configuration gives this server's number to another disk. */
export function isOwnDiskKnown(raft: Raft): boolean {
  if (raft.diskId === null || !raft.rules.knowsDisks) return true
  return isNamed(raft.configurations.current, raft.id, raft.diskId)
}

/** `null` when nobody said which. */
function diskOf(raft: Raft, id: NodeId): string | null {
  const member = raft.configurations.current.members?.find(known => known.id === id)
  if (member !== undefined) return member.diskId
  return raft.role.kind === 'leader' ? (raft.role.observers.get(id) ?? null) : null
}

function isAnswer(message: Message): boolean {
  switch (message.kind) {
    case 'preVoteReply':
    case 'requestVoteReply':
    case 'appendEntriesReply':
    case 'appendEntriesRefused':
    case 'heartbeatReply':
      return true
    default:
      return false
  }
}
