/** Opening independent things at once without losing any: what opened is closed again when another did not. */
import type { Disposables } from '../util/disposables.ts'

type Opening<T extends readonly (AsyncDisposable | null)[]> = { readonly [K in keyof T]: Promise<T[K]> }

/** Resolves with all, owned by `owner`; rejects with the first failure once all have been settled. */
export async function allOpen<T extends readonly (AsyncDisposable | null)[]>(
  owner: Disposables,
  ...opening: Opening<T>
): Promise<T> {
  const outcomes = await Promise.allSettled(opening as readonly Promise<AsyncDisposable | null>[])
  for (const outcome of outcomes) if (outcome.status === 'fulfilled' && outcome.value !== null) owner.use(outcome.value)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  }) as unknown as T
}
