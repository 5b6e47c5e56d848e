/** Topic ids and cluster ids: random UUIDs (RFC 9562, version 4) in Kafka's text form, 22 characters of base64url. */
import { assert } from '../util/assert.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
export const uuidBytes = 16

/**
 * One UUID made of all the names, the same in whatever order they come: each name's bytes are folded (XOR) over its 16.
 * For random names it is as random as they are.
 */
export function foldUuid(names: readonly string[]): string {
  const bytes = new Uint8Array(uuidBytes)
  const encoder = new TextEncoder()
  for (const name of names) {
    for (const [at, byte] of encoder.encode(name).entries()) bytes[at % uuidBytes]! ^= byte
  }
  return uuidFrom(bytes)
}

/** Never begins with `-`, which a command line would take for an option. `random` is 16 random bytes. */
export function uuidFrom(random: Uint8Array): string {
  assert(random.length === uuidBytes, 'a UUID is made of 16 bytes')
  const bytes = Uint8Array.from(random)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  // The first character is the top six bits; 62 is '-'.
  if (bytes[0]! >>> 2 === 62) bytes[0] = bytes[0]! & 0x7f
  let text = ''
  for (let bit = 0; bit < 128; bit += 6) {
    const pair = (bytes[bit >>> 3]! << 8) | (bytes[(bit >>> 3) + 1] ?? 0)
    text += alphabet[(pair >>> (10 - (bit & 7))) & 63]
  }
  return text
}
