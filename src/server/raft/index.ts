/** `millrace/raft`: consensus for a state machine of your own. docs/RAFT.md tells how. */
import { openRaft } from './open-raft.ts'
import type { Raft, RaftOptions } from './types.ts'

export { ApiError } from '../../protocol/errors.ts'
export { ConfigError, CorruptionError, StorageError } from '../../util/errors.ts'
export type { Logger } from '../../util/logger.ts'
export {
  NotLeaderError,
  type ProposeOptions,
  type Raft,
  type RaftCallOptions,
  type RaftEntry,
  type RaftOptions,
  type RaftSession,
  type RaftStateMachine,
  type RaftStatus,
  type SessionOptions,
} from './types.ts'

/**
 * Resolves with a running member, which may not know a leader yet. Rejects with `ConfigError` (an option, a port in use, a
 * directory that is another member's or in use) or `CorruptionError` (what is on disk), and leaves nothing open.
 */
export function startRaft<Result>(options: RaftOptions<Result>): Promise<Raft<Result>> {
  return openRaft(options)
}
