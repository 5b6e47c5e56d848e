/**
 * What one follower of one partition is to be sent, in one epoch of its leader: from the tail cache, else from what was
 * read from a file for it. The sender of its broker decides when.
 */
import { batchesEndOffset } from '../../log/batch-fields.ts'
import type { PartitionLog } from '../../log/types.ts'
import type { RequestOf } from '../../protocol/api.ts'
import type { appendEntries } from '../../protocol/apis/index.ts'
import { ApiError, type ErrorName } from '../../protocol/errors.ts'
import type { Sent } from '../../replication/follower-progress.ts'
import type { LeaderReplica, NextAppend } from '../../replication/leader-replica.ts'
import type { AppendAnswer } from '../../replication/types.ts'
import { joinBytes } from '../../util/bytes.ts'
import type { NodeId, Offset } from '../../util/numbers.ts'

type AppendItemBody = RequestOf<typeof appendEntries>['partitions'][number]

/** The leader behind a feed. */
export interface FeedSource {
  readonly replica: LeaderReplica
  readonly log: PartitionLog
  onAnswer(feed: FollowerFeed, sent: Sent, answer: AppendAnswer): void
  /** Records up to `endOffset` have left for a follower. */
  onShipped(endOffset: Offset): void
}

export interface Shipment {
  readonly feed: FollowerFeed
  readonly item: AppendItemBody
  readonly sent: Sent
  /** Bytes that were read from a file for it. */
  readonly fileBytes: number
}

/** `full`: no room for its next batch. `throttled`: it must wait. `read`: a file must be read first. */
export type Taken = Shipment | 'full' | 'throttled' | { readonly read: NextAppend } | null

const noBatches = new Uint8Array(0)

export class FollowerFeed {
  readonly nodeId: NodeId
  readonly source: FeedSource
  /** Set and read by the sender. */
  isQueued = false
  isPaused = false
  isReading = false
  isNewsQueued = false
  pauseMs = 0
  lastError: ErrorName | null = null
  /** What no records carried may go alone now: a high watermark, a log start. */
  isNewsDue = false
  /** Records have left since somebody looked; whoever looks clears it. */
  hasShipped = false
  isEnded = false
  #sentLogStart: Offset = 0
  #read: { readonly generation: number; readonly readOffset: Offset; readonly bytes: Uint8Array } | null = null

  constructor(nodeId: NodeId, source: FeedSource) {
    this.nodeId = nodeId
    this.source = source
  }

  get isInSync(): boolean {
    return this.source.replica.isr.includes(this.nodeId)
  }

  /** There is something to send before the next append or answer comes. */
  get hasMore(): boolean {
    const { replica, log } = this.source
    const follower = replica.followers.get(this.nodeId)
    if (follower === undefined || this.isEnded) return false
    return follower.state === 'replicate' ? follower.nextOffset < log.logEndOffset : follower.inFlight === 0
  }

  /** The follower has not been sent what is known here of the high watermark, or of the log start. */
  get hasNews(): boolean {
    const { replica } = this.source
    const sentHighWatermark = replica.followers.get(this.nodeId)?.sentHighWatermark ?? replica.highWatermark
    return !this.isEnded && (sentHighWatermark < replica.highWatermark || this.#hasNewLogStart)
  }

  /** Of bytes that were read from a file and have not been taken. */
  get heldBytes(): number {
    return this.#read?.bytes.length ?? 0
  }

  hold({ generation, readOffset }: NextAppend, bytes: Uint8Array): void {
    this.#read = { generation, readOffset, bytes }
  }

  /** Returns how many bytes were let go. */
  letGo(): number {
    const { heldBytes } = this
    this.#read = null
    return heldBytes
  }

  /**
   * `isFirst`: of its request, which it may then exceed with one large batch. `isThrottled`: only what was read for it
   * already may go.
   */
  take(roomBytes: number, isFirst: boolean, isThrottled: boolean): Taken {
    const { replica, log } = this.source
    const next = replica.next(this.nodeId, log, this.isNewsDue && this.#hasNewLogStart)
    if (next === null) return null
    let batches: Uint8Array = noBatches
    let fileBytes = 0
    if (next.readOffset < log.logEndOffset) {
      const held = this.#read
      if (held?.generation === next.generation && held.readOffset === next.readOffset) {
        if (!isFirst && held.bytes.length > roomBytes) return 'full'
        batches = held.bytes
        fileBytes = this.letGo()
      } else if (isThrottled) return 'throttled'
      else {
        const maxBytes = Math.max(1, roomBytes)
        const request = { fromOffset: next.readOffset, endOffset: log.logEndOffset, maxBytes, minOneBatch: isFirst }
        const views = log.readViews(request)
        if (views === null) return { read: next }
        if (views.length === 0) return 'full'
        batches = joinBytes(views)
      }
    } else if (!this.isNewsDue && replica.followers.get(this.nodeId)?.state === 'replicate') return null
    this.isNewsDue = false
    return this.#ship(next, batches, fileBytes)
  }

  onAnswer(sent: Sent, answer: AppendAnswer): void {
    if (!this.isEnded) this.source.onAnswer(this, sent, answer)
  }

  /** Returns whether this is news: of many appends on their way the first that is refused speaks for all. */
  onFailed(sent: Sent): boolean {
    const { replica } = this.source
    if (this.isEnded || replica.followers.get(this.nodeId)?.generation !== sent.generation) return false
    replica.onFailed(this.nodeId, sent)
    return true
  }

  onLinkLost(): void {
    this.source.replica.onLinkLost(this.nodeId)
  }

  get #hasNewLogStart(): boolean {
    return this.#sentLogStart < this.source.log.logStartOffset
  }

  #ship(next: NextAppend, batches: Uint8Array, fileBytes: number): Shipment {
    const { replica, log } = this.source
    const { id, logStartOffset } = log
    const { fromOffset, prevEpoch } = next
    const sent = replica.onSent(this.nodeId, next, batchesEndOffset(batches, fromOffset))
    this.source.onShipped(sent.endOffset)
    this.#sentLogStart = logStartOffset
    if (batches.length > 0) this.hasShipped = true
    const item = {
      topicId: id.topicId,
      partition: id.partition,
      leaderEpoch: replica.leaderEpoch,
      fromOffset,
      prevEpoch,
      highWatermark: replica.highWatermark,
      logStartOffset,
      batches,
    }
    return { feed: this, item, sent, fileBytes }
  }
}

/** A log that takes no reads any more has nothing to send: whoever owns it hears why. */
export function takeOrNothing(feed: FollowerFeed, roomBytes: number, isFirst: boolean, isThrottled: boolean): Taken {
  try {
    return feed.take(roomBytes, isFirst, isThrottled)
  } catch (error) {
    if (error instanceof ApiError) return null
    throw error
  }
}
