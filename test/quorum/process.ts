/**
 * The event loop of one member: it can be blocked, so that timers and messages wait, and its turns take time. When it is
 * let go, messages come before timers, as they do after a long pause of a real one.
 */
import type { PeerReceiver, PeerTransport } from '../../src/quorum/peer-port.ts'
import type { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Clock, Timer } from '../../src/util/clock.ts'

export class Process implements Clock {
  readonly #clock: VirtualClock
  readonly #turnMs: number
  #isBlocked = false
  #messages: Array<() => void> = []
  #timers: Array<() => void> = []

  /** `turnMs`: from one turn of the event loop to the next. */
  constructor(clock: VirtualClock, turnMs = 0) {
    this.#clock = clock
    this.#turnMs = turnMs
  }

  block(): void {
    this.#isBlocked = true
  }

  /** `first` is what it finds before all that has waited. */
  release(first: () => void): void {
    this.#isBlocked = false
    first()
    for (const run of [...this.#messages.splice(0), ...this.#timers.splice(0)]) run()
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  wallClockMs(): number {
    return this.#clock.wallClockMs()
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    let isCancelled = false
    const run = (): void => {
      if (!isCancelled) fn()
    }
    const timer = this.#clock.setTimer(delayMs, () => (this.#isBlocked ? this.#timers.push(run) : run()))
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  defer(fn: () => void): void {
    this.setTimer(this.#turnMs, fn)
  }

  /** What arrives from `peers` waits while the process is blocked. */
  behind(peers: PeerTransport): PeerTransport {
    return {
      open: receiver => peers.open(this.#guard(receiver)),
      reach: addresses => peers.reach(addresses),
      introduceAgain: () => peers.introduceAgain(),
      send: (to, message) => peers.send(to, message),
      sendChunk: (to, chunk) => peers.sendChunk(to, chunk),
    }
  }

  #guard(receiver: PeerReceiver): PeerReceiver {
    const arrive = (run: () => void): void => {
      if (this.#isBlocked) this.#messages.push(run)
      else run()
    }
    return {
      introduction: () => receiver.introduction(),
      onIntroduction: peer => receiver.onIntroduction(peer),
      onMessage: (message, fromDisk) => arrive(() => receiver.onMessage(message, fromDisk)),
      onChunk: (chunk, fromDisk) => receiver.onChunk(chunk, fromDisk),
      onGone: id => receiver.onGone(id),
    }
  }
}
