/**
 * Murmur2 (Austin Appleby), 32 bits, with the seed Kafka's default partitioner uses: the same key must land on the
 * same partition as in Kafka. Signed result, as Java has it.
 */
const seed = 0x9747b28c
const multiplier = 0x5bd1e995
const shift = 24

/** Hash of `bytes` as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  return murmur2Range(bytes, bytes.length)
}

/** Hash of the UTF-8 form of `text`. A text in ASCII is hashed where it stands, without being encoded. */
export function murmur2Text(text: string): number {
  const length = text.length
  if (length <= scratch.length) {
    let at = 0
    for (; at < length; at++) {
      const code = text.charCodeAt(at)
      if (code > 0x7f) break
      scratch[at] = code
    }
    if (at === length) return murmur2Range(scratch, length)
  }
  return murmur2(encoder.encode(text))
}

const encoder = new TextEncoder()
/** Keys are short; one that is longer is encoded into memory of its own. */
const scratch = new Uint8Array(256)

/** The partition Kafka's default partitioner gives `key`. */
export function partitionForKey(key: Uint8Array | string, partitionCount: number): number {
  const hash = typeof key === 'string' ? murmur2Text(key) : murmur2(key)
  return (hash & 0x7fff_ffff) % partitionCount
}

function murmur2Range(bytes: Uint8Array, length: number): number {
  let hash = seed ^ length
  const wordsEnd = length & ~3
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    word = Math.imul(word, multiplier)
    word ^= word >>> shift
    hash = Math.imul(hash, multiplier) ^ Math.imul(word, multiplier)
  }
  const rest = length - wordsEnd
  if (rest === 3) hash ^= bytes[wordsEnd + 2]! << 16
  if (rest >= 2) hash ^= bytes[wordsEnd + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ bytes[wordsEnd]!, multiplier)
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}
