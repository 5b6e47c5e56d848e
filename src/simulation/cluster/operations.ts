/** What an operator does while a simulated cluster runs, and how often. */
import type { Random } from '../../util/random.ts'

export type Operation = 'move' | 'giveUpMove' | 'drain' | 'putBack' | 'electPreferred'

/** In a hundred virtual seconds, on average. */
export type OperationRates = Readonly<Partial<Record<Operation, number>>>

const rates: Readonly<Record<Operation, number>> = {
  move: 40,
  giveUpMove: 100,
  drain: 15,
  putBack: 20,
  electPreferred: 20,
}

/** In half of the worlds nobody does anything. */
export function drawOperations(random: Random): OperationRates {
  if (random.nextInt(2) === 0) return {}
  const chosen: Partial<Record<Operation, number>> = {}
  for (const [operation, rate] of Object.entries(rates) as Array<[Operation, number]>) {
    if (random.nextInt(3) > 0) chosen[operation] = rate * 2 * random.nextFloat()
  }
  return chosen
}
