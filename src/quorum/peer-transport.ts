/** How servers of one quorum reach each other, as a port: real connections, a simulated network, or nobody. */

import { ApiError } from '../protocol/errors.ts'
import type { InstallSnapshot, Message } from '../raft/messages.ts'
import type { NodeId } from '../util/numbers.ts'

export interface PeerTransport {
  /** Sends and forgets. A message may be lost, late, repeated or overtaken; it is never changed. */
  send(to: NodeId, message: Message): void
  /** Carries a whole snapshot, in pieces if need be. Resolves when the peer has it; rejects, always, when it will not. */
  sendSnapshot(to: NodeId, message: InstallSnapshot): Promise<void>
  /** One listener; set before anything is sent. */
  onMessage(listener: (message: Message) => void): void
}

/** For a quorum of one: there is nobody to reach. */
export const nobody: PeerTransport = {
  send() {},
  sendSnapshot: async () => {
    throw new ApiError('NETWORK_EXCEPTION', 'This quorum has no peers.')
  },
  onMessage() {},
}
