/** What a consumer throws when records it has handed out are not in the log any more. */
import { ApiError } from '../../protocol/errors.ts'
import { nameOf, type TopicPartition } from '../by-leader.ts'

/**
 * An unclean election has cut the log below the position, and other records may stand there by now. `seek` to
 * `divergingOffset` (with `epochBefore`) goes on where the log is still what was read.
 */
export class LogTruncatedError extends ApiError {
  readonly topic: string
  readonly partition: number
  /** Offset of the record that would have been next. */
  readonly position: number
  /**
   * Where the log parts from what was handed out, as far as the consumer knows of which leader epochs that was. One that
   * was told an epoch, and has read little since, may have to go back further.
   */
  readonly divergingOffset: number
  /** Leader epoch of the record before it; `null` if that is not known. */
  readonly epochBefore: number | null

  constructor(of: TopicPartition, position: number, divergingOffset: number, epochBefore: number | null) {
    const what = `the records from offset ${divergingOffset} to ${position} (exclusive) were handed out`
    const advice = `seek to ${divergingOffset}, or set onOffsetOutOfRange to go on there`
    super('LOG_TRUNCATED', `${nameOf(of)}: ${what}, and are not in the log any more; ${advice}`)
    this.topic = of.topic
    this.partition = of.partition
    this.position = position
    this.divergingOffset = divergingOffset
    this.epochBefore = epochBefore
  }
}
