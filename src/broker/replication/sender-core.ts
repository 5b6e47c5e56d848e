/** What all senders of a broker share. */

import type { KeptTiming } from '../../transport/kept-connection.ts'
import type { SocketFactory } from '../../transport/socket.ts'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import type { BrokerEpoch, NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'
import type { Deadlines } from '../deadlines.ts'
import type { BrokerStats } from '../stats.ts'
import type { CatchUpThrottle } from './throttle.ts'

/** The way to other brokers. */
export interface BrokerPeers {
  readonly socketFactory: SocketFactory
  readonly timing: KeptTiming
}

export interface SenderCore {
  readonly nodeId: NodeId
  readonly clusterId: string
  readonly peers: BrokerPeers
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly deadlines: Deadlines
  readonly throttle: CatchUpThrottle
  readonly stats: BrokerStats
  /** Bytes on their way to one follower; exceeded by at most one request. */
  readonly windowBytes: number
  /** Without an answer for so long, the connection is given up. */
  readonly requestTimeoutMs: number
  /** Of this broker's registration; `null` before it is registered. */
  readonly brokerEpoch: () => BrokerEpoch | null
  /** Where other nodes reach a broker; `null` for one that is not registered. */
  readonly urlOf: (nodeId: NodeId) => string | null
}
