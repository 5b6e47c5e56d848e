/**
 * The newest appends of all logs in one ring of memory: what followers and consumers at the tail are served from. An
 * append is copied in, and the oldest ones of the node, whichever log they belong to, make way for it.
 *
 * Why copies: buffers kept as they were received grow old, and freeing them costs the collector a pass over the heap for
 * every few dozen MiB. A ring is allocated once. Reads copy out, because the ring moves on under whoever holds a view.
 */
import { batchPrefixBytes } from '../protocol/batch/header.ts'
import type { Offset } from '../util/numbers.ts'
import { batchEndOffset, batchesEndOffset, batchSizeBytes } from './batch-fields.ts'

interface CachedAppend {
  readonly baseOffset: Offset
  /** Exclusive. */
  readonly endOffset: Offset
  /** Whole batches, back to back: a view of the ring. */
  readonly bytes: Uint8Array
  /** Where in the ring they begin. */
  readonly position: number
  isDropped: boolean
}

/** The cached end of one log: contiguous in offsets, up to the log end. */
export class LogTail {
  /** Those before `head` are gone. */
  appends: CachedAppend[] = []
  head = 0

  get isEmpty(): boolean {
    return this.head === this.appends.length
  }
}

export class TailCache {
  readonly #bytesMax: number
  /** Allocated with the first append: an idle node does not pay for it, and untouched pages cost nothing. */
  #ring: Uint8Array | null = null
  #next = 0
  #bytes = 0
  /** In the order of the ring, the oldest at `#queueHead`. */
  #queue: Array<{ readonly tail: LogTail; readonly append: CachedAppend }> = []
  #queueHead = 0
  hits = 0
  misses = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  add(tail: LogTail, baseOffset: Offset, endOffset: Offset, received: Uint8Array): void {
    // After a truncation inside a cached append, or an append too large to keep, what is cached ends too early.
    if (!tail.isEmpty && tail.appends.at(-1)!.endOffset !== baseOffset) this.truncate(tail, 0)
    if (received.length > this.#bytesMax / 4) {
      this.truncate(tail, 0)
      return
    }
    const position = this.#makeRoom(received.length)
    this.#ring!.set(received, position)
    const bytes = this.#ring!.subarray(position, position + received.length)
    const append = { baseOffset, endOffset, bytes, position, isDropped: false }
    tail.appends.push(append)
    this.#queue.push({ tail, append })
    this.#bytes += bytes.length
  }

  /** Evicts what stands in the way of the next `length` bytes of the ring, and returns where they begin. */
  #makeRoom(length: number): number {
    this.#ring ??= new Uint8Array(this.#bytesMax)
    let from = this.#next
    if (from + length > this.#ring.length) {
      // What is left behind `from` is the oldest there is, and stays unused until the ring comes round.
      this.#evictWhile(append => append.position >= from)
      from = 0
    }
    this.#next = from + length
    this.#evictWhile(append => append.position < from + length && append.position + append.bytes.length > from)
    return from
  }

  #evictWhile(isInTheWay: (append: CachedAppend) => boolean): void {
    while (this.#queueHead < this.#queue.length && isInTheWay(this.#queue[this.#queueHead]!.append)) this.#evictOldest()
  }

  /** Forgets what reaches above `offset`. */
  truncate(tail: LogTail, offset: Offset): void {
    while (!tail.isEmpty && tail.appends.at(-1)!.endOffset > offset) {
      const append = tail.appends.pop()!
      append.isDropped = true
      this.#bytes -= append.bytes.length
    }
  }

  /**
   * Whole batches from the one that contains `fromOffset`, none reaching above `endOffset`, together at most `maxBytes`
   * (the first may be larger if `minOneBatch`). Copies. `null`: not cached.
   */
  read(tail: LogTail, fromOffset: Offset, endOffset: Offset, maxBytes: number, minOneBatch: boolean) {
    const views = this.views(tail, fromOffset, endOffset, maxBytes, minOneBatch)
    return views === null ? null : views.map(view => view.slice())
  }

  /** The same without copies: the ring as it is until the next append, of whichever log. */
  views(tail: LogTail, fromOffset: Offset, endOffset: Offset, maxBytes: number, minOneBatch: boolean) {
    let at = findAppend(tail, fromOffset)
    if (at === null) {
      this.misses++
      return null
    }
    this.hits++
    const views: Uint8Array[] = []
    let room = maxBytes
    for (; at < tail.appends.length; at++) {
      const append = tail.appends[at]!
      const isFirst = views.length === 0
      const isWhole = append.baseOffset >= fromOffset && append.endOffset <= endOffset && append.bytes.length <= room
      const view = isWhole
        ? append.bytes
        : cutBatches(append.bytes, fromOffset, endOffset, room, isFirst && minOneBatch)
      if (view.length > 0) addView(views, view)
      if (!isWhole && append.endOffset > batchesEndOffset(view, fromOffset)) break
      room -= view.length
    }
    return views
  }

  #evictOldest(): void {
    const { tail, append } = this.#queue[this.#queueHead++]!
    if (!append.isDropped) {
      this.#bytes -= append.bytes.length
      append.isDropped = true
      tail.head++
      if (tail.isEmpty || tail.head > 1024) {
        tail.appends.splice(0, tail.head)
        tail.head = 0
      }
    }
    if (this.#queueHead > 1024 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#queueHead)
      this.#queueHead = 0
    }
  }
}

/** Appends of one log that lie side by side in the ring are one piece. */
function addView(views: Uint8Array[], view: Uint8Array): void {
  const last = views.at(-1)
  if (last === undefined || last.byteOffset + last.length !== view.byteOffset) views.push(view)
  else views[views.length - 1] = new Uint8Array(view.buffer, last.byteOffset, last.length + view.length)
}

function findAppend(tail: LogTail, offset: Offset): number | null {
  if (tail.isEmpty || tail.appends[tail.head]!.baseOffset > offset) return null
  let low = tail.head
  let high = tail.appends.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (tail.appends[middle]!.baseOffset <= offset) low = middle
    else high = middle - 1
  }
  return tail.appends[low]!.endOffset > offset ? low : null
}

/** The part of back-to-back batches that a reader from `fromOffset` may have. */
export function cutBatches(
  bytes: Uint8Array,
  fromOffset: Offset,
  endOffset: Offset,
  maxBytes: number,
  minOneBatch: boolean,
): Uint8Array {
  let from = 0
  let to = 0
  while (to + batchPrefixBytes <= bytes.length) {
    const sizeBytes = batchSizeBytes(bytes, to)
    const end = batchEndOffset(bytes, to)
    if (end <= fromOffset) {
      to += sizeBytes
      from = to
      continue
    }
    const isAllowedLarge = minOneBatch && to === from
    if (end > endOffset || (to + sizeBytes - from > maxBytes && !isAllowedLarge)) break
    to += sizeBytes
  }
  return bytes.subarray(from, to)
}
