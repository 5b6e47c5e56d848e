import { AssertionError } from './errors.ts'

/**
 * Assertions stay on in production. The label is a constant: building a message on every call costs twenty times
 * the check itself.
 */
export function assert(condition: unknown, label: string): asserts condition {
  if (!condition) throw new AssertionError(label)
}

/** Asserts `a <= b`; the values go into the message only when it fails. */
export function assertAtMost(a: number, b: number, label: string): void {
  if (!(a <= b)) throw new AssertionError(`${label}: ${a} > ${b}`)
}

/** Asserts `a < b`. */
export function assertLess(a: number, b: number, label: string): void {
  if (!(a < b)) throw new AssertionError(`${label}: ${a} >= ${b}`)
}

/** Asserts that `value` is a safe integer of at least zero: an offset, an index, a length, a count. */
export function assertCount(value: number, label: string): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new AssertionError(`${label}: ${value} is not a count`)
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never, label: string): never {
  throw new AssertionError(`${label}: ${JSON.stringify(value)}`)
}
