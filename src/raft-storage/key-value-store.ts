/** What a Raft storage needs of whatever keeps its bytes: LMDB in production, a disk that fails on demand in simulation. */

/** Sets `key` to `value`, or removes it. */
export interface Change {
  readonly key: Uint8Array
  /** `null` removes; a key that is not there is no error. */
  readonly value: Uint8Array | null
}

export interface Pair {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export interface KeyValueStore {
  /** For messages: what a person would look for. */
  readonly where: string
  get(key: Uint8Array): Uint8Array | undefined
  /** Everything, in the order of the keys' bytes, as of the last commit. */
  getRange(): Iterable<Pair>
  /**
   * Makes the changes, in their order, wholly or not at all; resolves when they survive power loss. Takes what it needs
   * of `changes` before it returns, but not the values: those belong to the store from then on. A rejection means
   * *unknown*, and a promise may stay pending for ever. Never called again before the last one is settled.
   */
  commit(changes: readonly Change[]): Promise<void>
  close(): Promise<void>
}
