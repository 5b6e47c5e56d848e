/** Randomness, as a port: a run of the simulator is a function of its seed. */
export interface Random {
  /** Uniform in [0, 1). */
  nextFloat(): number
  /** Uniform integer in [0, boundExclusive). */
  nextInt(boundExclusive: number): number
  /** `length` random bytes. */
  nextBytes(length: number): Uint8Array
}

/** A seeded generator (xoshiro128**, Blackman and Vigna 2018): fast and repeatable, not for secrets. */
export function seededRandom(seed: number): Random {
  let [a, b, c, d] = expandSeed(seed)
  const nextUint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotateLeft(d, 11)
    return result
  }
  return {
    nextFloat: () => nextUint32() / 0x1_0000_0000,
    nextInt: bound => Math.floor((nextUint32() / 0x1_0000_0000) * bound),
    nextBytes: length => Uint8Array.from({ length }, () => nextUint32() & 0xff),
  }
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}

/** splitmix32 spreads a small seed over the four words of state, none of which may all be zero. */
function expandSeed(seed: number): [number, number, number, number] {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return z ^ (z >>> 15)
  }
  return [next(), next(), next(), next()]
}
