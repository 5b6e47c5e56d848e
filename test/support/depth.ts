/**
 * How long the randomised tests look. `MILLRACE_TEST_DEPTH=20` makes them do twenty times as much as in a usual run;
 * `MILLRACE_TEST_SEEDS=7` or `7:90` replays seeds by number.
 */

const depth = Number(process.env.MILLRACE_TEST_DEPTH || 1)
if (!(depth > 0)) throw new Error(`MILLRACE_TEST_DEPTH=${process.env.MILLRACE_TEST_DEPTH}: expected a number above 0`)

/** As many runs as asked for, of which `usual` are enough for every change. */
export function runs(usual: number): number {
  return Math.max(1, Math.round(usual * depth))
}

/** Seeds `from` to `to`, both included: `usual` of them, or those that are asked for. */
export function seedRange(usual: number, first = 1): { readonly from: number; readonly to: number } {
  const given = process.env.MILLRACE_TEST_SEEDS
  if (given === undefined || given === '') return { from: first, to: first + runs(usual) - 1 }
  const match = /^(\d+)(?::(\d+))?$/.exec(given)
  if (match === null) throw new Error(`MILLRACE_TEST_SEEDS=${given}: expected a seed, or two with a colon between`)
  return { from: Number(match[1]), to: Number(match[2] ?? match[1]) }
}

/** The seed of properties (fast-check): fixed in a usual run, the given one in a replay, `null` (drawn) in a deeper run. */
export function propertySeed(): number | null {
  if (process.env.MILLRACE_TEST_SEEDS) return seedRange(1).from
  return depth === 1 ? 1 : null
}
