/** What all connections of one listener share. */
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { HandlerTable } from './handler-table.ts'
import type { TransportLimits } from './limits.ts'
import type { NodeBudget } from './node-budget.ts'
import type { TransportStats } from './stats.ts'

export interface ListenerCore {
  /** `listener` of the request context. */
  readonly listenerName: string
  readonly table: HandlerTable
  readonly limits: TransportLimits
  readonly budget: NodeBudget
  readonly stats: TransportStats
  readonly clock: Clock
  readonly logger: Logger
  /** Requests wait for memory that answers hold. */
  readonly isMemoryShort: () => boolean
  /** A handler met an `AssertionError` or a `StorageError`. Called before the client hears of it. */
  readonly onFatal: (error: Error) => void
}
