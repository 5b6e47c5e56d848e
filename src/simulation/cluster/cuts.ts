/** Which wires are cut at one blow: shapes that have broken consensus elsewhere. */
import type { NodeId } from '../../util/numbers.ts'
import type { Random } from '../../util/random.ts'

export type Cut = (from: NodeId, to: NodeId) => boolean

export function isolating(id: NodeId): Cut {
  return (from, to) => from === id || to === id
}

/** The two do not hear each other, while everybody else hears both; `null`: nobody is meant. */
export function between(one: NodeId, other: NodeId | null): Cut {
  return (from, to) => (from === one && to === other) || (from === other && to === one)
}

export function splitting(ids: readonly NodeId[], random: Random): Cut {
  const left = new Set(ids.filter(() => random.nextInt(2) === 0))
  return (from, to) => left.has(from) !== left.has(to)
}

/** Two halves that see each other only over `middle`, which sees everybody. */
export function bridging(ids: readonly NodeId[], middle: NodeId, random: Random): Cut {
  const isSplit = splitting(ids, random)
  return (from, to) => from !== middle && to !== middle && isSplit(from, to)
}

/** What `id` says is not heard, or what is said to it; by everybody, or by one other. */
export function oneWay(id: NodeId, other: NodeId | null, random: Random): Cut {
  const isOutward = random.nextInt(2) === 0
  return (from, to) => {
    const [own, there] = isOutward ? [from, to] : [to, from]
    return own === id && (other === null || there === other)
  }
}
