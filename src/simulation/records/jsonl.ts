/**
 * A history as lines of JSON, one event each, so that processes that are killed leave what they had seen. Several files,
 * one for each process that recorded, make one history if their clocks are one.
 */
import type { RecordsEvent, RecordsOperation } from './operations.ts'

export function lineOf(event: RecordsEvent): string {
  return JSON.stringify(event)
}

/**
 * The operations of all files together, by time of invocation. A last line that was cut short is left out: whoever wrote
 * it was killed. Throws `SyntaxError` for any other line that is none.
 */
export function operationsOf(files: readonly string[]): RecordsOperation[] {
  return files.flatMap(operationsOfFile).sort((a, b) => a.invokedAt - b.invokedAt)
}

function operationsOfFile(text: string): RecordsOperation[] {
  const operations = new Map<number, RecordsOperation>()
  const lines = text.split('\n')
  // What stands behind the last line break is empty, or was cut short.
  lines.pop()
  for (const line of lines) {
    const { type, op, process, ns, steps } = JSON.parse(line) as RecordsEvent
    const invoked = operations.get(op)
    if (type === 'invoke') {
      operations.set(op, { process, steps, invokedAt: ns, returnedAt: Number.POSITIVE_INFINITY, outcome: 'info' })
    } else if (invoked === undefined) {
      throw new SyntaxError(`operation ${op} of ${process} returns and was not invoked`)
    } else {
      operations.set(op, { ...invoked, steps, returnedAt: ns, outcome: type })
    }
  }
  return [...operations.values()]
}
