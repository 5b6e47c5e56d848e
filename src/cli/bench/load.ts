/** What a load consists of: topics, keys and values, made before anything is measured and the same in every run. */
import type { Message } from '../../index.ts'

export const keyDistributions = ['none', 'round-robin', 'random', 'zipf'] as const
export type KeyDistribution = (typeof keyDistributions)[number]

export interface LoadOptions {
  readonly size: number
  readonly batchRecords: number
  /** The part of each value that is random, from 0 to 1. The rest is one letter again and again, and compresses to nothing. */
  readonly randomBytes: number
  readonly keys: KeyDistribution
  readonly keyCount: number
  /** Zeros at the start of each value, for whoever has something to write there. */
  readonly blankBytes?: number
}

export interface TopicPartitions {
  readonly topic: string
  readonly partitions: number
}

export interface Send {
  readonly topic: string
  readonly messages: Message[]
}

/** Values are drawn from a pool of about this many bytes, as a compressor or a cache would see too much of one value. */
const poolBytes = 8 << 20
const poolValuesMax = 10_000
/** Sends with keys that are made for each topic, and then sent again and again. */
const keyedSends = 64
/** More messages without keys than these are not kept: to reach for one in memory takes longer than to make it anew. */
const messagesKeptMax = 8_192

/** Successive calls go around all partitions; with keys around all topics, and the key decides the partition. */
export function makeSends(options: LoadOptions, targets: readonly TopicPartitions[]): () => Send {
  const values = makeValues(options)
  const nextKey = makeKeys(options)
  const places = targets.flatMap(({ topic, partitions }) =>
    Array.from({ length: nextKey === null ? partitions : keyedSends }, (_, at) => ({ topic, at })),
  )
  const areKept = nextKey !== null || places.length * options.batchRecords <= messagesKeptMax
  const made: Send[] = []
  let sends = 0
  let valuesUsed = 0
  return () => {
    const index = sends++ % places.length
    const known = made[index]
    if (known !== undefined) return known
    const { topic, at } = places[index]!
    const messages = new Array<Message>(options.batchRecords)
    for (let i = 0; i < messages.length; i++) {
      const value = values[valuesUsed++ % values.length]!
      messages[i] = nextKey === null ? { value, partition: at } : { value, key: nextKey() }
    }
    const send = { topic, messages }
    if (areKept) made[index] = send
    return send
  }
}

function makeValues({ size, randomBytes, blankBytes = 0 }: LoadOptions): Uint8Array[] {
  const random = makeRandom(1)
  const randomLength = Math.round(size * randomBytes)
  const count = Math.max(1, Math.min(poolValuesMax, Math.floor(poolBytes / Math.max(1, size))))
  return Array.from({ length: count }, () => {
    const value = new Uint8Array(size).fill(0x78)
    for (let i = 0; i < randomLength; i++) value[i] = random() * 256
    return value.fill(0, 0, blankBytes)
  })
}

/** `null`: records have no key. */
export function makeKeys({ keys, keyCount }: Pick<LoadOptions, 'keys' | 'keyCount'>): (() => string) | null {
  const random = makeRandom(2)
  let next = 0
  switch (keys) {
    case 'none':
      return null
    case 'round-robin':
      return () => `key-${next++ % keyCount}`
    case 'random':
      return () => `key-${Math.floor(random() * keyCount)}`
    case 'zipf':
      // The inverse of the continuous distribution of density 1/x on [1, keyCount + 1).
      return () => `key-${Math.floor((keyCount + 1) ** random()) - 1}`
  }
}

/** A linear congruential generator (Numerical Recipes): in [0, 1). */
function makeRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
