/** Opening two independent things at once without losing either: what opened is closed again when the other did not. */
import type { Disposables } from '../util/disposables.ts'

/** Resolves with both, owned by `owner`; rejects with the first failure once both have been settled. */
export async function bothOpen<A extends AsyncDisposable, B extends AsyncDisposable>(
  owner: Disposables,
  first: Promise<A>,
  second: Promise<B>,
): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second])
  if (a.status === 'fulfilled') owner.use(a.value)
  if (b.status === 'fulfilled') owner.use(b.value)
  if (a.status === 'rejected') throw a.reason
  if (b.status === 'rejected') throw b.reason
  return [a.value, b.value]
}
