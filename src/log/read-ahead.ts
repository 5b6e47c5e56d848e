/**
 * What readers that go on will ask for next, read from the files in advance: while one takes an answer over the network and
 * decodes it, the next one is read and checked. For all logs of a directory together at most so many bytes; when they are
 * in use nothing is read ahead, and what nobody asks for is let go of after a moment.
 */
import type { Clock, Timer } from '../util/clock.ts'
import type { Offset } from '../util/numbers.ts'
import type { FileChunk } from './file-chunk.ts'
import type { LogCore } from './log-core.ts'

const keptMs = 1_000

export interface AheadRead {
  readonly core: LogCore
  /** The log's when it was read: what it says of an older one is void. */
  readonly generation: number
  readonly fromOffset: Offset
  /** `null`: could not be read; whoever asks finds out why. */
  readonly chunk: FileChunk | Promise<FileChunk | null>
  readonly untilMs: number
  readonly bytes: number
}

export class ReadAhead {
  readonly #clock: Clock
  readonly #bytesMax: number
  /** In the order in which they run out. */
  #reads: AheadRead[] = []
  #bytes = 0
  #timer: Timer | null = null

  constructor(clock: Clock, bytesMax: number) {
    this.#clock = clock
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What was read ahead from `fromOffset`, or is being read: it belongs to the caller now. */
  take(core: LogCore, fromOffset: Offset): AheadRead | null {
    const found = this.#find(core, fromOffset)
    if (found !== undefined) this.#drop(read => read === found)
    return found ?? null
  }

  /** Begins `read`, which gives at most `bytes`, unless it is under way or there is no room. */
  start(core: LogCore, fromOffset: Offset, bytes: number, read: () => Promise<FileChunk | null>): void {
    if (this.#bytes + bytes > this.#bytesMax || this.#find(core, fromOffset) !== undefined) return
    // A failure is for the read that is asked for: it comes across it, too, and says so.
    this.#add(
      core,
      fromOffset,
      bytes,
      read().catch(() => null),
    )
  }

  /** What is left of one that was taken. */
  keep(core: LogCore, fromOffset: Offset, chunk: FileChunk): void {
    const bytes = chunk.bytes.buffer.byteLength
    if (this.#bytes + bytes <= this.#bytesMax) this.#add(core, fromOffset, bytes, chunk)
  }

  #find(core: LogCore, fromOffset: Offset): AheadRead | undefined {
    const { generation } = core
    return this.#reads.find(
      read => read.core === core && read.fromOffset === fromOffset && read.generation === generation,
    )
  }

  #add(core: LogCore, fromOffset: Offset, bytes: number, chunk: AheadRead['chunk']): void {
    const untilMs = this.#clock.nowMs() + keptMs
    this.#bytes += bytes
    this.#reads.push({ core, generation: core.generation, fromOffset, chunk, untilMs, bytes })
    this.#timer ??= this.#clock.setTimer(keptMs, () => this.#expire())
  }

  #expire(): void {
    const nowMs = this.#clock.nowMs()
    this.#drop(read => read.untilMs <= nowMs)
    const next = this.#reads[0]
    this.#timer = next === undefined ? null : this.#clock.setTimer(next.untilMs - nowMs, () => this.#expire())
  }

  #drop(isOver: (read: AheadRead) => boolean): void {
    this.#reads = this.#reads.filter(read => {
      if (isOver(read)) this.#bytes -= read.bytes
      return !isOver(read)
    })
  }
}
