/** Seeded damage to valid bytes, for the fuzzers of everything that decodes. */
import type { Random } from '../../src/util/random.ts'

/** Bytes that mean something: borders of MessagePack types, of varints, of signs. */
const telling = [
  0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc6, 0xc9, 0xca, 0xcb, 0xcf, 0xd3,
  0xd4, 0xd9, 0xdb, 0xdd, 0xdf, 0xe0, 0xff,
]

/** One to four small wounds: a byte set, a bit flipped, a range cut, doubled or torn off. */
export function mutate(valid: Uint8Array, random: Random): Uint8Array {
  let bytes = [...valid]
  for (let wounds = 1 + random.nextInt(4); wounds > 0 && bytes.length > 0; wounds--) {
    const at = random.nextInt(bytes.length)
    const length = 1 + random.nextInt(6)
    switch (random.nextInt(6)) {
      case 0:
        bytes[at] = telling[random.nextInt(telling.length)]!
        break
      case 1:
        bytes[at]! ^= 1 << random.nextInt(8)
        break
      case 2:
        bytes.splice(at, length)
        break
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + length))
        break
      case 4:
        bytes.splice(at, 0, ...random.nextBytes(length))
        break
      default:
        bytes = bytes.slice(0, at)
    }
  }
  return Uint8Array.from(bytes)
}
