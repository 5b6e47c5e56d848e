/** What every test of a model asserts and reports. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type Exploration, explore, type Model } from './explore.ts'

/** Nothing that can be reached breaks an invariant, and there was enough of it for that to mean something. */
export function assertHolds<State>(
  t: TestContext,
  model: Model<State>,
  { stateCountMin, story = [] }: { readonly stateCountMin: number; readonly story?: readonly string[] },
): void {
  const exploration = explore(model, { stateCountMax: 10_000_000, story })
  report(t, exploration)
  assert.equal(exploration.violation, null)
  assert.ok(exploration.isExhaustive, 'nothing is left to look at')
  assert.ok(exploration.stateCount >= stateCountMin, `${exploration.stateCount} states are too few to prove anything`)
}

/** A variant without one of the rules: the invariant named is seen to break. */
export function assertBreaks<State>(
  t: TestContext,
  model: Model<State>,
  invariant: RegExp,
  story: readonly string[] = [],
): void {
  const exploration = explore(model, { stateCountMax: 1_000_000, story })
  report(t, exploration)
  assert.ok(exploration.violation !== null, 'a model without this rule breaks')
  assert.match(exploration.violation.invariant, invariant)
  assert.ok(exploration.violation.trace.length > 1)
}

function report(t: TestContext, { stateCount, transitionCount, depth, isExhaustive, violation }: Exploration): void {
  const end = violation === null ? (isExhaustive ? 'all of them' : 'no more were looked at') : violation.invariant
  t.diagnostic(`${stateCount} states, ${transitionCount} transitions, ${depth} steps deep; ${end}`)
  for (const line of violation?.trace ?? []) t.diagnostic(line)
}
