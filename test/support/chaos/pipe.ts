/**
 * One direction of one connection through a link: reads from `source`, keeps what it read for as long as the conditions
 * say, writes to `sink`. Bounded: above `queueBytesMax` it stops reading, so that a slow link pushes back on the sender.
 */
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../../src/util/clock.ts'
import type { Random } from '../../../src/util/random.ts'
import { MiB } from '../../../src/util/units.ts'
import type { Conditions, Flow } from './conditions.ts'

const queueBytesMax = MiB

interface Piece {
  /** `end`: the source has nothing more to say; `reset`: it is gone without a word. */
  readonly what: Buffer | 'end' | 'reset'
  readonly dueMs: number
}

export interface PipeOptions {
  readonly source: Socket
  readonly clock: Clock
  readonly random: Random
  readonly conditions: () => Conditions
  readonly flow: () => Flow
  /** Nothing will pass any more: both ends are told, or the bytes are lost for good. */
  readonly onBroken: () => void
  /** The end was passed on. */
  readonly onEnd: () => void
  /** The source closed before there was a sink. */
  readonly onGivenUp: () => void
}

export class Pipe {
  readonly #options: PipeOptions
  readonly #queue: Piece[] = []
  #queuedBytes = 0
  #sink: Socket | null = null
  #isWriting = false
  #hasLost = false
  #lastDueMs = 0
  /** When the bytes written so far have gone through, at the given rate. */
  #paidMs = 0
  #timer: Timer | null = null

  constructor(options: PipeOptions) {
    this.#options = options
    const { source } = options
    source.on('data', (bytes: Buffer) => this.#take(bytes))
    source.on('end', () => this.#close('end'))
    // 'close' follows.
    source.on('error', () => this.#close('reset'))
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** From now on there is somebody to write to. */
  connect(sink: Socket): void {
    this.#sink = sink
    this.changed()
  }

  /** The conditions have changed. */
  changed(): void {
    if (this.#hasLost && this.#options.flow() === 'pass') {
      this.#options.onBroken()
      return
    }
    this.#readOrNot()
    this.#pump()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#queue.length = 0
    this.#queuedBytes = 0
  }

  #take(bytes: Buffer): void {
    if (this.#options.flow() === 'drop') {
      this.#hasLost = true
      return
    }
    for (const part of this.#slices(bytes)) this.#push(part)
    this.#queuedBytes += bytes.length
    this.#readOrNot()
    this.#pump()
  }

  #close(what: 'end' | 'reset'): void {
    if (this.#options.flow() === 'drop') this.#hasLost = true
    else if (this.#sink === null) this.#options.onGivenUp()
    else {
      this.#push(what)
      this.#pump()
    }
  }

  #push(what: Piece['what']): void {
    const { delayMs, jitterMs } = this.#options.conditions()
    const drawnMs = jitterMs === 0 ? 0 : this.#options.random.nextFloat() * jitterMs
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#options.clock.nowMs() + delayMs + drawnMs)
    this.#queue.push({ what, dueMs: this.#lastDueMs })
  }

  *#slices(bytes: Buffer): Iterable<Buffer> {
    const { sliceBytesMax } = this.#options.conditions()
    if (sliceBytesMax >= bytes.length) {
      yield bytes
      return
    }
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + 1 + this.#options.random.nextInt(sliceBytesMax))
      yield bytes.subarray(from, to)
      from = to
    }
  }

  #readOrNot(): void {
    // Without a sink the source is read, to see whether it gives up: what it says first is short.
    const isHeld = this.#sink !== null && this.#options.flow() === 'hold'
    if (isHeld || this.#queuedBytes > queueBytesMax) this.#options.source.pause()
    else this.#options.source.resume()
  }

  #pump(): void {
    this.#timer?.cancel()
    this.#timer = null
    const piece = this.#queue[0]
    const sink = this.#sink
    if (piece === undefined || sink === null || this.#isWriting || this.#options.flow() !== 'pass') return
    const nowMs = this.#options.clock.nowMs()
    const startMs = Math.max(piece.dueMs, this.#paidMs)
    if (startMs > nowMs) {
      this.#timer = this.#options.clock.setTimer(startMs - nowMs, () => this.#pump())
      return
    }
    this.#queue.shift()
    if (piece.what === 'reset') {
      this.#options.onBroken()
    } else if (piece.what === 'end') {
      sink.end()
      this.#options.onEnd()
    } else {
      this.#write(sink, piece.what, nowMs)
    }
  }

  /** One at a time, or Node would join what was sliced; a slice in a turn of its own, or the receiver's kernel would. */
  #write(sink: Socket, bytes: Buffer, nowMs: number): void {
    this.#isWriting = true
    this.#paidMs = Math.max(this.#paidMs, nowMs) + (bytes.length / this.#options.conditions().bytesPerSecond) * 1000
    const next = (): void => {
      this.#isWriting = false
      this.#queuedBytes -= bytes.length
      this.#readOrNot()
      this.#pump()
    }
    sink.write(bytes, error => {
      if (error) return
      if (this.#options.conditions().sliceBytesMax === Number.POSITIVE_INFINITY) next()
      else this.#options.clock.defer(next)
    })
  }
}
