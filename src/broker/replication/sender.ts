/**
 * Everything this node sends to one other broker that follows partitions here: many partitions in one request, several
 * requests on their way, so many bytes and no more. What became ready in one turn of the event loop leaves at its end,
 * in the order in which it became ready; a partition with more to send goes to the end of the queue.
 *
 * What must be read from files, for a follower far behind, gets half of the window at most: it does not hold up the tail.
 */
import type { ResponseOf } from '../../protocol/api.ts'
import { appendEntries } from '../../protocol/apis/index.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError, type ErrorName, errorName } from '../../protocol/errors.ts'
import { ProtocolError } from '../../protocol/protocol-error.ts'
import type { NextAppend } from '../../replication/leader-replica.ts'
import type { Connection } from '../../transport/connection.ts'
import { assertCount } from '../../util/assert.ts'
import { joinBytes } from '../../util/bytes.ts'
import type { Timer } from '../../util/clock.ts'
import { Fifo } from '../../util/fifo.ts'
import { type NodeId, toBrokerEpoch } from '../../util/numbers.ts'
import { removeFrom } from '../../util/remove-from.ts'
import { MiB } from '../../util/units.ts'
import { type FollowerFeed, type Shipment, takeOrNothing } from './feed.ts'
import { FollowerLink } from './link.ts'
import type { SenderCore } from './sender-core.ts'

/** Batches of one request; a larger batch travels alone. */
const requestBytesMax = MiB
/** Counted for an item beside its batches: what it costs to make, send and answer one. */
const itemBytes = 128
/**
 * Requests without an answer. Beyond it what is appended waits and goes together: the slower the follower, the larger its
 * requests, so that a crowded machine does less for each record instead of more.
 */
const requestsInFlightMax = 8
/** How long a high watermark waits for records to go along with. */
const newsDelayMs = 5
const pauseMsMin = 20
const pauseMsMax = 1_000
/** After so long a feed that is throttled looks again: the rate may be another. */
const throttledMsMax = 1_000

interface UnderWay {
  /** Without the bytes: those are let go as soon as they have left. */
  readonly shipments: readonly Pick<Shipment, 'feed' | 'sent'>[]
  readonly bytes: number
  readonly fileBytes: number
}

export class ReplicaSender {
  readonly nodeId: NodeId
  readonly #core: SenderCore
  readonly #link: FollowerLink
  readonly #feeds = new Set<FollowerFeed>()
  readonly #ready = new Fifo<FollowerFeed>()
  /** Those that wait until others have been read and sent. */
  readonly #toRead = new Fifo<FollowerFeed>()
  #throttled: FollowerFeed[] = []
  #withNews: FollowerFeed[] = []
  #newsTimer: Timer | null = null
  readonly #underWay: UnderWay[] = []
  #inFlightBytes = 0
  /** Read from files, or being read, and not answered. */
  #fileBytes = 0
  #isPumpDue = false

  constructor(core: SenderCore, nodeId: NodeId) {
    this.#core = core
    this.nodeId = nodeId
    this.#link = new FollowerLink(core, nodeId, this)
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes
  }

  get isIdle(): boolean {
    return this.#feeds.size === 0
  }

  join(feed: FollowerFeed): void {
    this.#feeds.add(feed)
    this.#link.reconsider()
    this.want(feed)
  }

  leave(feed: FollowerFeed): void {
    feed.isEnded = true
    this.#feeds.delete(feed)
    this.#freeFileBytes(feed.letGo())
    this.#link.reconsider()
  }

  /** It may have something to send. */
  want(feed: FollowerFeed): void {
    if (feed.isQueued || feed.isPaused || feed.isReading || feed.isEnded) return
    feed.isQueued = true
    this.#ready.push(feed)
    this.#pumpSoon()
  }

  /** It has news: they go along with the next records, or alone once there have been none for a few milliseconds. */
  wantNews(feed: FollowerFeed): void {
    if (feed.isNewsQueued || feed.isNewsDue) return
    feed.isNewsQueued = true
    feed.hasShipped = false
    if (this.#withNews.push(feed) > 1) return
    this.#newsTimer = this.#core.clock.setTimer(newsDelayMs, () => this.#tellNews())
  }

  #tellNews(): void {
    const feeds = this.#withNews
    this.#withNews = []
    for (const feed of feeds) {
      feed.isNewsQueued = false
      if (!feed.hasNews) continue
      // Where records follow one another they carry it: a request of its own would come hardly earlier.
      if (feed.hasShipped) this.wantNews(feed)
      else {
        feed.isNewsDue = true
        this.want(feed)
      }
    }
  }

  /** It may be reached elsewhere now. */
  onBrokersChanged(): void {
    this.#link.reconsider()
  }

  onOpen(): void {
    for (const feed of this.#feeds) this.want(feed)
    // Some were ready before there was anybody to send to.
    this.#pumpSoon()
  }

  onLost(): void {
    const fileBytes = this.#underWay.reduce((sum, underWay) => sum + underWay.fileBytes, 0)
    this.#underWay.length = 0
    this.#inFlightBytes = 0
    for (const feed of this.#feeds) feed.onLinkLost()
    this.#freeFileBytes(fileBytes)
  }

  close(): Promise<void> {
    this.#feeds.clear()
    this.#underWay.length = 0
    this.#newsTimer?.cancel()
    return this.#link.close()
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return
    this.#isPumpDue = true
    this.#core.clock.defer(() => {
      this.#isPumpDue = false
      this.#pump()
    })
  }

  #pump(): void {
    const connection = this.#link.connection
    if (connection === null) return
    while (this.#hasRoom && this.#ready.length > 0) {
      const shipments = this.#load()
      if (shipments.length > 0) this.#send(connection, shipments)
    }
  }

  get #hasRoom(): boolean {
    return this.#inFlightBytes < this.#core.windowBytes && this.#underWay.length < requestsInFlightMax
  }

  /** What goes into one request: each feed that is ready once, as far as there is room. */
  #load(): Shipment[] {
    const { throttle } = this.#core
    const shipments: Shipment[] = []
    let roomBytes = requestBytesMax
    for (let turn = this.#ready.length; turn > 0 && roomBytes > 0 && shipments.length < limits.items; turn--) {
      const feed = this.#ready.shift()!
      feed.isQueued = false
      if (feed.isEnded) continue
      const { isInSync } = feed
      const feedBytes = isInSync ? roomBytes : Math.min(roomBytes, throttle.burstBytes)
      const taken = takeOrNothing(feed, feedBytes, shipments.length === 0, !isInSync && throttle.delayMs > 0)
      if (taken === null) continue
      if (taken === 'throttled') this.#park(feed)
      else if (taken === 'full') this.#requeue(feed)
      else if ('read' in taken) this.#read(feed, taken.read)
      else {
        shipments.push(taken)
        roomBytes -= taken.item.batches.length + itemBytes
        // What was read from a file was paid for before.
        if (!isInSync && taken.fileBytes === 0) throttle.spend(taken.item.batches.length)
        if (feed.hasMore) this.#requeue(feed)
      }
    }
    return shipments
  }

  #requeue(feed: FollowerFeed): void {
    feed.isQueued = true
    this.#ready.push(feed)
  }

  #send(connection: Connection, shipments: readonly Shipment[]): void {
    let bytes = 0
    let fileBytes = 0
    for (const shipment of shipments) {
      bytes += shipment.item.batches.length + itemBytes
      fileBytes += shipment.fileBytes
    }
    const underWay = { shipments: shipments.map(({ feed, sent }) => ({ feed, sent })), bytes, fileBytes }
    this.#underWay.push(underWay)
    this.#inFlightBytes += bytes
    const { nodeId, brokerEpoch, stats, requestTimeoutMs } = this.#core
    stats.appendBytesOut += bytes - shipments.length * itemBytes
    stats.appendRequests++
    const body = { leaderId: nodeId, brokerEpoch: brokerEpoch() ?? -1, partitions: shipments.map(({ item }) => item) }
    connection.request(appendEntries, body, { timeoutMs: requestTimeoutMs }).then(
      answer => this.#onAnswer(underWay, answer),
      (error: unknown) => this.#onFailed(underWay, error as Error),
    )
  }

  #onAnswer(underWay: UnderWay, answer: ResponseOf<typeof appendEntries>): void {
    if (answer.partitions.length !== underWay.shipments.length) {
      this.#link.drop(new ApiError('INVALID_REQUEST', 'A follower did not answer what it was asked.'))
      return
    }
    if (!this.#isOver(underWay)) return
    const brokerEpoch = toBrokerEpoch(answer.brokerEpoch)
    for (const [at, { feed, sent }] of underWay.shipments.entries()) {
      const { errorCode, isMatch, endOffset, hintEpoch } = answer.partitions[at]!
      const error = errorName(errorCode)
      if (error !== null) this.#refused(feed, sent, error)
      else {
        feed.pauseMs = 0
        feed.lastError = null
        feed.onAnswer(sent, { isMatch, endOffset, hintEpoch, brokerEpoch })
        if (feed.hasMore || feed.isNewsDue) this.want(feed)
      }
    }
    this.#pumpSoon()
  }

  #onFailed(underWay: UnderWay, error: Error): void {
    if (!this.#isOver(underWay)) return
    if (!(error instanceof ApiError || error instanceof ProtocolError)) throw error
    const code = error instanceof ApiError ? error.code : 'CORRUPT_MESSAGE'
    // Nobody knows what became of it: the order of what comes after it would not be known either.
    if (code === 'REQUEST_TIMED_OUT') this.#link.drop(error)
    for (const { feed, sent } of underWay.shipments) this.#refused(feed, sent, code)
    this.#pumpSoon()
  }

  /** False: it was sent on a connection that is gone. */
  #isOver(underWay: UnderWay): boolean {
    if (!removeFrom(this.#underWay, underWay)) return false
    this.#inFlightBytes -= underWay.bytes
    assertCount(this.#inFlightBytes, 'in-flight bytes of a follower')
    this.#freeFileBytes(underWay.fileBytes)
    return true
  }

  #refused(feed: FollowerFeed, sent: Shipment['sent'], error: ErrorName): void {
    if (!feed.onFailed(sent)) {
      // The follower was begun with anew while this was on its way, and nothing else may be due to it.
      if (feed.hasMore) this.want(feed)
      return
    }
    if (feed.lastError !== error) {
      const { topic, partition } = feed.source.log.id
      this.#core.logger.debug({ topic, partition, follower: this.nodeId, error }, 'a follower refused an append')
    }
    feed.lastError = error
    feed.pauseMs = Math.min(pauseMsMax, Math.max(pauseMsMin, feed.pauseMs * 2))
    feed.isPaused = true
    this.#core.deadlines.add(feed.pauseMs, () => {
      feed.isPaused = false
      this.want(feed)
    })
  }

  /** Until the throttle lets it go, or has been changed. */
  #park(feed: FollowerFeed): void {
    feed.isPaused = true
    if (this.#throttled.push(feed) > 1) return
    this.#core.deadlines.add(Math.min(throttledMsMax, this.#core.throttle.delayMs), () => {
      const feeds = this.#throttled
      this.#throttled = []
      for (const each of feeds) {
        each.isPaused = false
        this.want(each)
      }
    })
  }

  #read(feed: FollowerFeed, next: NextAppend): void {
    feed.isReading = true
    this.#freeFileBytes(feed.letGo())
    if (this.#fileBytes >= this.#core.windowBytes / 2) this.#toRead.push(feed)
    else void this.#readFile(feed, next)
  }

  async #readFile(feed: FollowerFeed, next: NextAppend): Promise<void> {
    const { log } = feed.source
    const { throttle } = this.#core
    // Paid for before it is read: else all that are throttled would read, and hold what they may not send.
    const paidBytes = feed.isInSync ? 0 : Math.min(requestBytesMax, throttle.burstBytes)
    const maxBytes = paidBytes || requestBytesMax
    throttle.spend(paidBytes)
    this.#fileBytes += requestBytesMax
    let bytes: Uint8Array | null = null
    let isMoved = false
    try {
      const batches = await log.read({
        fromOffset: next.readOffset,
        endOffset: log.logEndOffset,
        maxBytes,
        minOneBatch: true,
      })
      if (batches.length > 0) bytes = joinBytes(batches)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // The start of the log has moved on. Of a failure its owner hears.
      isMoved = error.code === 'OFFSET_OUT_OF_RANGE'
    }
    feed.isReading = false
    if (paidBytes > 0) throttle.spend((bytes?.length ?? 0) - paidBytes)
    this.#fileBytes -= requestBytesMax
    if (bytes !== null && !feed.isEnded) {
      feed.hold(next, bytes)
      this.#fileBytes += bytes.length
    }
    // What is appended and not written yet comes when the log makes progress.
    if (bytes !== null || isMoved) this.want(feed)
    this.#freeFileBytes(0)
  }

  /** Those that waited for room are looked at again. */
  #freeFileBytes(bytes: number): void {
    this.#fileBytes -= bytes
    assertCount(this.#fileBytes, 'bytes read for a follower')
    const roomBytes = this.#core.windowBytes / 2 - this.#fileBytes
    for (let count = Math.ceil(roomBytes / requestBytesMax); count > 0; count--) {
      const feed = this.#toRead.shift()
      if (feed === undefined) return
      feed.isReading = false
      this.want(feed)
    }
  }
}
