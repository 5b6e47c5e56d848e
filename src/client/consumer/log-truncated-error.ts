/** What a consumer throws when records it has handed out are not in the log any more. */
import { ApiError } from '../../protocol/errors.ts'
import { nameOf, type TopicPartition } from '../by-leader.ts'
import type { EpochStart } from './types.ts'

/**
 * An unclean election has cut the log below the position, and other records may stand there by now. `seek` to
 * `divergingOffset` (with `epochs`) goes on where the log is still what was read.
 */
export class LogTruncatedError extends ApiError {
  readonly topic: string
  readonly partition: number
  /** Offset of the record that would have been next. */
  readonly position: number
  /** Where the log parts from what was handed out, as far as the consumer knows of which leader epochs that was. */
  readonly divergingOffset: number
  /**
   * Leader epochs of the records before it; with them it is noticed if the log parts from those even before. Empty: what was
   * read there, if anything, may be other records than the log has, and nobody will say so.
   */
  readonly epochs: readonly EpochStart[]

  constructor(of: TopicPartition, position: number, divergingOffset: number, epochs: readonly EpochStart[]) {
    const what = `the records from offset ${divergingOffset} to ${position} (exclusive) were handed out`
    const advice = `seek to ${divergingOffset}, or set onOffsetOutOfRange to go on there`
    super('LOG_TRUNCATED', `${nameOf(of)}: ${what}, and are not in the log any more; ${advice}`)
    this.topic = of.topic
    this.partition = of.partition
    this.position = position
    this.divergingOffset = divergingOffset
    this.epochs = epochs
  }
}
