/**
 * Tells a slow reader from one that has stopped: it must take something within the timeout, however little. While others
 * wait for the memory its answers hold, that is not enough: it must have made room within the timeout.
 */
export class ReaderWatch {
  #leastBufferedBytes = 0
  #tookMs = 0
  #fullMs = 0

  /** The socket has just been given bytes; `wasFull`: more were waiting in it than should already. */
  gave(nowMs: number, bufferedBytes: number, wasFull: boolean): void {
    this.#leastBufferedBytes = bufferedBytes
    this.#tookMs = nowMs
    if (!wasFull) this.#fullMs = nowMs
  }

  hasStalled(nowMs: number, bufferedBytes: number, timeoutMs: number): boolean {
    if (bufferedBytes < this.#leastBufferedBytes) this.gave(nowMs, bufferedBytes, true)
    return nowMs - this.#tookMs >= timeoutMs
  }

  isFullFor(nowMs: number, timeoutMs: number): boolean {
    return nowMs - this.#fullMs >= timeoutMs
  }
}
