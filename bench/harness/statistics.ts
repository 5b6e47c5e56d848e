/** What repeated runs say together. Interleaved runs are compared pair by pair, as they shared the machine's mood. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** `null` of nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length }
}

/** Of a ÷ b for each repetition that has both. */
export function ratioSpread(a: readonly (number | null)[], b: readonly (number | null)[]): Spread | null {
  const ratios: number[] = []
  for (const [at, value] of a.entries()) {
    const other = b[at] ?? null
    if (value !== null && other !== null && other !== 0) ratios.push(value / other)
  }
  return spreadOf(ratios)
}

/** The item whose value is in the middle: what it says of itself fits together, which medians of each figure would not. */
export function middleOf<T>(items: readonly T[], by: (item: T) => number): T | undefined {
  return items.toSorted((a, b) => by(a) - by(b))[items.length >> 1]
}

/** In the order in which the keys come up. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
