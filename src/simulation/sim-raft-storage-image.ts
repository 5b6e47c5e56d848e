/** The bytes of a simulated Raft disk, which of them are damaged, and what they promise. */
import type { Entry, HardState, SnapshotMeta } from '../raft/types.ts'
import type { Change, Pair } from '../raft-storage/key-value-store.ts'
import { decodeJson, placeOf, runKey, type StoredState, stateKey } from '../raft-storage/records.ts'
import { decodeRun, type Run } from '../raft-storage/runs.ts'
import { CorruptionError } from '../util/errors.ts'
import type { Random } from '../util/random.ts'

export const damageKinds = ['bitFlip', 'lostValue', 'misdirectedValue'] as const
/**
 * `misdirectedValue`: a value is under the key of another, whose own is gone; half of the time it is missing where it
 * belongs, too.
 */
export type DamageKind = (typeof damageKinds)[number]

/** What is certain to survive a power cut now. */
export interface DurableState {
  readonly hardState: HardState
  readonly snapshot: SnapshotMeta | null
  /** Index of the first entry in the log, and of the first after it; equal when there is none. */
  readonly firstIndex: number
  readonly endIndex: number
  /** `null`: not in the log, or not to be read. */
  entryAt(index: number): Entry | null
  /** Of the entry at `index` or the snapshot that ends there; 0 at 0; `null` when neither is there. */
  termAt(index: number): number | null
}

export class RaftDiskImage {
  readonly #pairs = new Map<string, Pair>()
  readonly #damaged = new Set<string>()
  /** By the value they were decoded from: values are never changed in place. */
  readonly #runs = new WeakMap<Uint8Array, Run>()
  /** First indexes of the runs that are there, descending; `null` until they are asked for again. */
  #firsts: readonly number[] | null = null
  #state: { readonly value: Uint8Array; readonly decoded: StoredState } | null = null

  /** Nothing that is there is damaged; what was written anew since it was hit is whole again. */
  get isIntact(): boolean {
    return this.#damaged.size === 0
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#pairs.get(nameOf(key))?.value
  }

  /** In the order of the keys' bytes. */
  sorted(): Pair[] {
    const names = [...this.#pairs.keys()].sort()
    return names.map(name => this.#pairs.get(name)!)
  }

  apply(changes: readonly Change[]): void {
    this.#firsts = null
    for (const { key, value } of changes) {
      const name = nameOf(key)
      this.#damaged.delete(name)
      if (value === null) this.#pairs.delete(name)
      else this.#pairs.set(name, { key, value })
    }
  }

  /** Damages the value of `target`, or of any key; false when nothing there can be damaged in this way. */
  damage(kind: DamageKind, random: Random, target?: Uint8Array): boolean {
    const pairs = this.sorted()
    if (pairs.length < 2) return false
    const at = target === undefined ? random.nextInt(pairs.length) : pairs.findIndex(pair => isSame(pair.key, target))
    if (at < 0) return false
    const changes = damageTo(kind, pairs, at, random)
    this.apply(changes)
    for (const { key } of changes) this.#damaged.add(nameOf(key))
    return true
  }

  /** `CorruptionError` when the state itself is damaged. */
  durable(): DurableState {
    const { hardState, range, snapshot } = this.#decodedState()
    const meta = snapshot?.meta ?? null
    const entryAt = (index: number): Entry | null =>
      index >= range.firstIndex && index < range.endIndex ? this.#entryAt(index) : null
    return {
      hardState,
      snapshot: meta,
      firstIndex: range.firstIndex,
      endIndex: range.endIndex,
      entryAt,
      termAt(index) {
        if (index === 0) return 0
        return index === meta?.index ? meta.term : (entryAt(index)?.term ?? null)
      },
    }
  }

  #decodedState(): StoredState {
    const value = this.get(stateKey)
    if (value === undefined) throw new CorruptionError('simulated disk', 'has no state record')
    if (this.#state?.value !== value)
      this.#state = { value, decoded: decodeJson<StoredState>('simulated disk', stateKey, value) }
    return this.#state.decoded
  }

  /** As a load would find it, but that one damaged run makes none of the others unreadable. */
  #entryAt(index: number): Entry | null {
    this.#firsts ??= this.#listFirsts()
    const firsts = this.#firsts
    const at = firsts.findIndex(first => first <= index)
    if (at === -1) return null
    const firstIndex = firsts[at]!
    // The one behind it names it, or the state: what was in between, and would count, is missing.
    const behind = firsts[at - 1]
    const expected = behind === undefined ? this.#decodedState().lastRun : this.#runAt(behind)?.previous
    if (expected !== undefined && expected !== firstIndex) return null
    return this.#runAt(firstIndex)?.entries[index - firstIndex] ?? null
  }

  #listFirsts(): readonly number[] {
    const firsts: number[] = []
    for (const { key } of this.#pairs.values()) {
      const place = placeOf(key)
      if (place.kind === 'run') firsts.push(place.firstIndex)
    }
    return firsts.sort((a, b) => b - a)
  }

  #runAt(firstIndex: number): Run | null {
    const key = runKey(firstIndex)
    const value = this.get(key)
    if (value === undefined) return null
    let run = this.#runs.get(value)
    if (run === undefined || run.entries[0]?.index !== firstIndex) {
      try {
        run = decodeRun('simulated disk', key, value)
      } catch (error) {
        if (error instanceof CorruptionError) return null
        throw error
      }
      this.#runs.set(value, run)
    }
    return run
  }
}

/** What becomes of the value at `at` in `pairs`, of which there are two at least. */
export function damageTo(kind: DamageKind, pairs: readonly Pair[], at: number, random: Random): Change[] {
  const { key, value } = pairs[at]!
  switch (kind) {
    case 'bitFlip': {
      const flipped = value.slice()
      flipped[random.nextInt(value.length)]! ^= 1 << random.nextInt(8)
      return [{ key, value: flipped }]
    }
    case 'lostValue':
      return [{ key, value: null }]
    case 'misdirectedValue': {
      const other = pairs[(at + 1 + random.nextInt(pairs.length - 1)) % pairs.length]!
      const misdirected = { key, value: other.value }
      return random.nextInt(2) === 0 ? [misdirected] : [misdirected, { key: other.key, value: null }]
    }
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

/** One character a byte: sorts as the bytes do. */
function nameOf(key: Uint8Array): string {
  let name = ''
  for (const byte of key) name += String.fromCharCode(byte)
  return name
}
