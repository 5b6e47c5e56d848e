/**
 * One end of a simulated connection, as TCP and WebSocket make it: whole messages, in order, or the end of everything.
 * What is sent over a cut wire waits at its sender and arrives after the mend. An end whose process is gone, or that was
 * given up, is silent until something reaches its machine, which then says so (RST).
 */
import { bufferMarks, type Socket } from '../../transport/socket.ts'
import type { NodeId } from '../../util/numbers.ts'
import { KiB } from '../../util/units.ts'
import type { Channel } from '../quorum/links.ts'
import type { SimProcess } from '../quorum/process.ts'

/** Whose end it is. */
export interface SocketOwner {
  readonly id: NodeId
  readonly process: SimProcess
}

/** What the ends need of the network between them. */
export interface SocketWires {
  isCut(from: NodeId, to: NodeId): boolean
  carry(from: NodeId, to: NodeId, arrive: () => void, channel: Channel): void
  /** Somebody can answer there, if only that this connection is none. */
  hasPower(id: NodeId): boolean
  onGone(socket: SimSocket): void
}

type Frame =
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'reset' }

const abnormalClosure = 1006
/** How long an end that closes waits for the other one. */
const closeTimeoutMs = 5_000
/** What the kernels hold for a reader that does not read. */
const windowBytes = 64 * KiB

export class SimSocket implements Socket {
  readonly remote: string
  readonly owner: SocketOwner
  /** What leaves here arrives in order; nothing is said of what leaves by another connection. */
  readonly channel: Channel = { lastArrivalMs: 0 }
  onMessage: (message: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: (code: number, reason: string) => void = () => {}
  readonly #wires: SocketWires
  #peer: SimSocket | null = null
  /** At the sender, behind a cut. */
  #unsent: Frame[] = []
  /** Arrived, and not handed up yet. */
  #inbox: Frame[] = []
  /** Sent and not handed up at the other end. */
  #unreadBytes = 0
  #wasAboveHigh = false
  #isPaused = false
  #isClosing = false
  #isGone = false
  #isDeliveryPlanned = false
  /** A box on the way has forgotten the connection: nothing passes, and nobody is told. */
  isForgotten = false

  constructor(owner: SocketOwner, remote: string, wires: SocketWires) {
    this.owner = owner
    this.remote = remote
    this.#wires = wires
  }

  join(peer: SimSocket): void {
    this.#peer = peer
  }

  get peer(): SimSocket {
    return this.#peer!
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#unreadBytes - windowBytes)
  }

  send(message: Uint8Array): void {
    if (this.#isClosing || this.#isGone) return
    this.#unreadBytes += message.length
    if (this.bufferedBytes > bufferMarks.highBytes) this.#wasAboveHigh = true
    // The two ends share no memory: a log patches the very bytes it received.
    this.#transmit({ kind: 'message', bytes: message.slice() })
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#planDelivery()
  }

  close(code: number, reason: string): void {
    if (this.#isClosing || this.#isGone) return
    this.#isClosing = true
    this.#transmit({ kind: 'close', code, reason })
    this.owner.process.setTimer(closeTimeoutMs, () => this.finish(abnormalClosure, ''))
  }

  terminate(): void {
    if (this.#isGone) return
    this.#isClosing = true
    this.hangUp()
    this.owner.process.defer(() => this.finish(abnormalClosure, ''))
  }

  /** Tells the other end, if the wire carries it: nobody repeats it. */
  hangUp(): void {
    const { id } = this.owner
    if (!this.isForgotten)
      this.#wires.carry(id, this.peer.owner.id, () => this.peer.#arrive({ kind: 'reset' }), this.channel)
  }

  /** The wire is whole again: what waited leaves. */
  flush(): void {
    for (const frame of this.#unsent.splice(0)) this.#transmit(frame)
  }

  /** The connection is over for this end, which is told unless it was told before. */
  finish(code: number, reason: string): void {
    if (this.#isGone) return
    this.#isClosing = this.#isGone = true
    this.#inbox = []
    this.#unsent = []
    this.#wires.onGone(this)
    this.onClose(code, reason)
  }

  #transmit(frame: Frame): void {
    const [from, to] = [this.owner.id, this.peer.owner.id]
    if (this.isForgotten) return
    if (this.#unsent.length > 0 || this.#wires.isCut(from, to)) this.#unsent.push(frame)
    else this.#wires.carry(from, to, () => this.peer.#arrive(frame), this.channel)
  }

  #arrive(frame: Frame): void {
    if (this.isForgotten) return
    if (this.#isGone || !this.owner.process.isAlive) {
      if (frame.kind !== 'reset' && this.#wires.hasPower(this.owner.id)) this.hangUp()
      return
    }
    this.#inbox.push(frame)
    if (this.owner.process.isStopped) this.#planDelivery()
    else this.#deliver()
  }

  #planDelivery(): void {
    if (this.#isDeliveryPlanned) return
    this.#isDeliveryPlanned = true
    // A timer of a stopped process waits for it to go on, and is never lost.
    this.owner.process.setTimer(0, () => {
      this.#isDeliveryPlanned = false
      this.#deliver()
    })
  }

  #deliver(): void {
    while (this.#inbox.length > 0 && !this.#isGone && (!this.#isPaused || this.#inbox[0]!.kind === 'reset')) {
      this.#take(this.#inbox.shift()!)
    }
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case 'message':
        this.peer.#onRead(frame.bytes.length)
        if (!this.#isClosing) this.onMessage(frame.bytes)
        return
      case 'close':
        this.#transmit({ ...frame, kind: 'closed' })
        this.finish(frame.code, frame.reason)
        return
      case 'closed':
        this.finish(frame.code, frame.reason)
        return
      case 'reset':
        this.finish(abnormalClosure, '')
    }
  }

  #onRead(sizeBytes: number): void {
    this.#unreadBytes -= sizeBytes
    if (!this.#wasAboveHigh || this.bufferedBytes > bufferMarks.lowBytes || this.#isGone) return
    this.#wasAboveHigh = false
    this.owner.process.defer(() => this.onDrain())
  }
}
