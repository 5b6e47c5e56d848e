/** Does the same to several things, so that one refusal does not hide the others: a line each. */
import { ApiError } from '../protocol/errors.ts'
import type { CommandContext } from './context.ts'
import { isSilence, ReportedFailure } from './failure.ts'
import { renderTable } from './output.ts'

/** `head`: what the things are, as the head of their column. Fails, once all had their turn, if any of them did. */
export async function forEach(
  context: CommandContext,
  head: string,
  names: readonly string[],
  act: (name: string) => Promise<void>,
): Promise<void> {
  const outcomes: { name: string; error: string | null; message: string | null }[] = []
  for (const name of names) {
    try {
      await act(name)
      outcomes.push({ name, error: null, message: null })
    } catch (error) {
      if (!(error instanceof ApiError) || isSilence(error)) throw error
      outcomes.push({ name, error: error.code, message: error.message })
    }
  }
  context.output.print(outcomes, () =>
    renderTable(
      [head, 'STATUS'],
      outcomes.map(o => [o.name, o.error ?? 'OK']),
    ),
  )
  const failed = outcomes.filter(o => o.error !== null)
  for (const o of failed) context.output.note(`${o.error}: ${o.message}`)
  if (failed.length > 0) throw new ReportedFailure()
}
