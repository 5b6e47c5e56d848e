/** The machine's randomness, fit for ids and secrets: `node:crypto`. */
import { randomBytes, randomInt } from 'node:crypto'
import type { Random } from '../util/random.ts'

export const systemRandom: Random = {
  // 47 bits: `randomInt` takes a range below 2^48.
  nextFloat: () => randomInt(2 ** 47) / 2 ** 47,
  nextInt: boundExclusive => randomInt(boundExclusive),
  nextBytes: length => new Uint8Array(randomBytes(length)),
}
