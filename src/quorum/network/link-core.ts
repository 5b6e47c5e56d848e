/** What all connections of one network share. */
import type { SocketFactory } from '../../transport/socket.ts'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { PeerReceiver } from '../peer-port.ts'
import type { Presence } from './presence.ts'
import type { PeerNetworkStats, PeerTiming } from './types.ts'

export interface LinkCore {
  readonly nodeId: NodeId
  readonly receiver: () => PeerReceiver
  readonly presence: Presence
  /** A connection to this peer is open, introduced on both sides. */
  readonly onReached: (nodeId: NodeId) => void
  readonly socketFactory: SocketFactory
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly timing: PeerTiming
  readonly sendQueueBytesMax: number
  readonly stats: PeerNetworkStats
  /** Calls `PeerLink.flush` of every link at the end of this turn. */
  readonly flushSoon: () => void
}
