/** Tells a slow reader from one that has stopped: it must take something within the timeout, however little. */
export class ReaderWatch {
  #leastBufferedBytes = 0
  #tookMs = 0

  /** The socket has just been given bytes. */
  gave(nowMs: number, bufferedBytes: number): void {
    this.#leastBufferedBytes = bufferedBytes
    this.#tookMs = nowMs
  }

  hasStalled(nowMs: number, bufferedBytes: number, timeoutMs: number): boolean {
    if (bufferedBytes < this.#leastBufferedBytes) this.gave(nowMs, bufferedBytes)
    return nowMs - this.#tookMs >= timeoutMs
  }
}
