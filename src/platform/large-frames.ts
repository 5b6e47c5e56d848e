/**
 * Reads the TCP socket of a client for `ws`. Frames of 64 KiB and more, which is what answers to fetches are, are read by
 * the kernel straight into the memory that is handed up; everything else goes to `ws` as it came.
 *
 * Why: `ws` gets a large message in pieces of at most 64 KiB, each in memory of its own and through a stream, and copies
 * them together in the end.
 *
 *     handshake ── open ──► heads ◄──── a large frame begins, is whole ────► filling
 *         └── more than the handshake in that read ──► everything through `ws`, for good
 */
import { connect, type NetConnectOpts, type Socket as TcpSocket } from 'node:net'
import { KiB } from '../util/units.ts'
import { uncleared } from './uncleared.ts'

/** From here on a frame's length takes 8 bytes (RFC 6455, section 5.2). */
const largeBytesMin = 64 * KiB
const readBytesMax = 64 * KiB
/** The first byte of a message that is one frame, binary, not compressed. */
const wholeBinary = 0x82
/** The second byte of a frame without a mask whose length takes 8 bytes, and the size of its head. */
const longLength = 127
const longHeadBytes = 10

export class LargeFrames {
  /** A whole message. Set before `begin`. */
  onMessage: (message: Uint8Array) => void = () => {}
  readonly #messageBytesMax: number
  #tcp: TcpSocket | null = null
  #isBegun = false
  /** What the kernel fills with whatever is not the content of a large frame. */
  readonly #scratch = new Uint8Array(readBytesMax)
  /** The beginning of a head whose rest has not come. */
  #headPart: Uint8Array | null = null
  /** What is still to come of a frame that `ws` gets. */
  #passBytesLeft = 0
  /** The message goes on in another frame. */
  #isFragmented = false
  /** The content of a large frame, as far as `#filledBytes`. */
  #frame: Uint8Array | null = null
  #filledBytes = 0

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax
  }

  connect(options: NetConnectOpts): TcpSocket {
    const buffer = (): Uint8Array => this.#frame?.subarray(this.#filledBytes) ?? this.#scratch
    const tcp = connect({ ...options, onread: { buffer, callback: count => this.#onRead(count) } })
    this.#tcp = tcp
    return tcp
  }

  /** The handshake is over. What has come behind it already, `ws` has; and then nobody knows where a frame begins. */
  begin(): void {
    this.#isBegun = this.#tcp?.readableLength === 0
  }

  /** Returns false when `ws` cannot take more for now. */
  #onRead(count: number): boolean {
    if (this.#frame !== null) {
      this.#fill(this.#frame, count)
      return true
    }
    const bytes = this.#scratch.subarray(0, count)
    return this.#isBegun ? this.#sort(bytes) : this.#pass(bytes)
  }

  /** Takes the large frames out of what was read. */
  #sort(read: Uint8Array): boolean {
    const bytes = this.#headPart === null ? read : Buffer.concat([this.#headPart, read])
    this.#headPart = null
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let at = Math.min(this.#passBytesLeft, bytes.length)
    let passFrom = 0
    this.#passBytesLeft -= at
    let isFlowing = true
    while (at < bytes.length) {
      const frameBytes = frameSize(view, at)
      if (frameBytes === null) {
        this.#headPart = bytes.slice(at)
        break
      }
      if (this.#isLarge(bytes, at, frameBytes - longHeadBytes)) {
        if (at > passFrom) isFlowing = this.#pass(bytes.subarray(passFrom, at))
        const content = bytes.subarray(at + longHeadBytes, at + frameBytes)
        this.#frame = uncleared(frameBytes - longHeadBytes)
        this.#frame.set(content)
        this.#fill(this.#frame, content.length)
        at = passFrom = Math.min(at + frameBytes, bytes.length)
        continue
      }
      const isControl = (bytes[at]! & 0x08) !== 0
      if (!isControl) this.#isFragmented = (bytes[at]! & 0x80) === 0
      const end = Math.min(at + frameBytes, bytes.length)
      this.#passBytesLeft = at + frameBytes - end
      at = end
    }
    return at > passFrom ? this.#pass(bytes.subarray(passFrom, at)) : isFlowing
  }

  /** Anything unusual is for `ws` to judge. */
  #isLarge(bytes: Uint8Array, at: number, contentBytes: number): boolean {
    const isWhole = bytes[at] === wholeBinary && bytes[at + 1] === longLength && !this.#isFragmented
    return isWhole && contentBytes >= largeBytesMin && contentBytes <= this.#messageBytesMax
  }

  #fill(frame: Uint8Array, count: number): void {
    this.#filledBytes += count
    if (this.#filledBytes < frame.length) return
    this.#frame = null
    this.#filledBytes = 0
    this.onMessage(frame)
  }

  /** A copy: the scratch memory is filled anew. */
  #pass(bytes: Uint8Array): boolean {
    return this.#tcp!.push(Buffer.from(bytes))
  }
}

/** Of the frame at `at`, head and mask included; `null` when its head is not all there. */
function frameSize(view: DataView, at: number): number | null {
  const available = view.byteLength - at
  if (available < 2) return null
  const second = view.getUint8(at + 1)
  const maskBytes = second & 0x80 ? 4 : 0
  const length = second & 0x7f
  if (length < 126) return 2 + maskBytes + length
  if (length === 126) return available < 4 ? null : 4 + maskBytes + view.getUint16(at + 2)
  return available < longHeadBytes ? null : longHeadBytes + maskBytes + Number(view.getBigUint64(at + 2))
}
