/** Tells a person why no order explains a history: what was seen, how far an explanation gets, what cannot follow. */
import type { Model, Operation } from './linearizability.ts'
import type { SearchResult } from './linearizability-search.ts'

/** More operations than this are not read by anybody: the last ones are shown. */
const shownMax = 40

export function accountOf<State, Input, Output>(
  model: Model<State, Input, Output>,
  partition: string,
  operations: readonly Operation<Input, Output>[],
  { longest, longestState }: SearchResult<State>,
): string {
  const line = (position: number): string => `  #${position} ${describeOperation(model, operations[position]!)}`
  const explained = new Set(longest)
  const byInvocation = [...operations.keys()].sort((a, b) => operations[a]!.invokedAt - operations[b]!.invokedAt)
  const rest = byInvocation.filter(at => !explained.has(at) && operations[at]!.outcome.kind === 'ok')
  const firstReturn = Math.min(...rest.map(at => returnedAt(operations[at]!)))
  const next = rest.filter(at => operations[at]!.invokedAt <= firstReturn)
  return [
    `No order of these operations explains what they answered (${partition}):`,
    ...lastOf(byInvocation, line),
    'The longest explanation that was found:',
    ...lastOf(longest, line),
    `It leads to the state ${model.keyOf(longestState)}, and none of these can be next:`,
    ...next.map(line),
  ].join('\n')
}

function describeOperation<State, Input, Output>(
  model: Model<State, Input, Output>,
  { client, input, invokedAt, outcome }: Operation<Input, Output>,
): string {
  const isOk = outcome.kind === 'ok'
  const end = isOk ? `${outcome.returnedAt}` : '?'
  return `[${invokedAt}, ${end}] ${client}: ${model.describe(input, isOk ? outcome.output : undefined)}`
}

function returnedAt({ outcome }: Operation<unknown, unknown>): number {
  return outcome.kind === 'ok' ? outcome.returnedAt : Number.POSITIVE_INFINITY
}

function lastOf(positions: readonly number[], line: (position: number) => string): string[] {
  const hidden = positions.length - shownMax
  const shown = positions.slice(-shownMax).map(line)
  return hidden > 0 ? [`  … ${hidden} before`, ...shown] : shown
}
