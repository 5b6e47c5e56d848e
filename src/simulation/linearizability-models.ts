/** Sequential objects that histories are checked against. */
import type { Model, Operation } from './linearizability.ts'

export type RegisterInput =
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'write'; readonly key: string; readonly value: string }
  /** Writes `to` if the value is `from`. */
  | { readonly kind: 'cas'; readonly key: string; readonly from: string | null; readonly to: string }

/** What a read saw, `null` before the first write; whether a cas wrote. A write answers `null`. */
export type RegisterOutput = string | boolean | null

/** A register per key. */
export const registerModel: Model<string | null, RegisterInput, RegisterOutput> = {
  initial: null,
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        return output === undefined || output === state ? state : undefined
      case 'write':
        return input.value
      case 'cas': {
        const isMatch = state === input.from
        if (output !== undefined && output !== isMatch) return undefined
        return isMatch ? input.to : state
      }
    }
  },
  keyOf: state => JSON.stringify(state),
  partition: history => groupBy(history, ({ input }) => input.key),
  describe(input, output) {
    const answer = output === undefined ? '?' : JSON.stringify(output)
    switch (input.kind) {
      case 'read':
        return `read ${input.key} → ${answer}`
      case 'write':
        return `write ${input.key} = ${input.value}${output === undefined ? ' → ?' : ''}`
      case 'cas':
        return `cas ${input.key} from ${input.from} to ${input.to} → ${answer}`
    }
  },
}

export type TopicsInput =
  | { readonly kind: 'create'; readonly topic: string }
  | { readonly kind: 'delete'; readonly topic: string }
  | { readonly kind: 'describe'; readonly topic: string }
  | { readonly kind: 'list' }

/** `list` answers the names; the others whether it was done or found, `exists` and `unknown` being refusals. */
export type TopicsOutput = 'ok' | 'exists' | 'unknown' | readonly string[]

/** A set of topics. The state is the sorted names. */
export const topicsModel: Model<readonly string[], TopicsInput, TopicsOutput> = {
  initial: [],
  step(state, input, output) {
    if (input.kind === 'list') return output === undefined || isSameSet(state, output) ? state : undefined
    const { topic } = input
    const isThere = state.includes(topic)
    const answer = input.kind === 'create' ? (isThere ? 'exists' : 'ok') : isThere ? 'ok' : 'unknown'
    if (output !== undefined && output !== answer) return undefined
    if (answer !== 'ok' || input.kind === 'describe') return state
    return input.kind === 'create' ? [...state, topic].sort() : state.filter(name => name !== topic)
  },
  keyOf: state => JSON.stringify(state),
  // A list looks at every topic at one moment: only without one is each topic an object for itself.
  partition(history) {
    const hasList = history.some(({ input }) => input.kind === 'list')
    return groupBy(history, ({ input }) => (hasList || input.kind === 'list' ? 'all topics' : input.topic))
  },
  describe(input, output) {
    const what = input.kind === 'list' ? 'list' : `${input.kind} ${input.topic}`
    return `${what} → ${output === undefined ? '?' : typeof output === 'string' ? output : `[${output.join(', ')}]`}`
  },
}

function isSameSet(sorted: readonly string[], names: TopicsOutput): boolean {
  if (typeof names === 'string' || names.length !== sorted.length) return false
  return [...names].sort().every((name, i) => name === sorted[i])
}

function groupBy<Input, Output>(
  history: readonly Operation<Input, Output>[],
  keyOf: (operation: Operation<Input, Output>) => string,
): ReadonlyMap<string, readonly Operation<Input, Output>[]> {
  const groups = new Map<string, Array<Operation<Input, Output>>>()
  for (const operation of history) {
    const key = keyOf(operation)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [operation])
    else group.push(operation)
  }
  return groups
}
