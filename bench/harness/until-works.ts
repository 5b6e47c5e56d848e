/** Waiting for other processes. */

const pauseMs = 10

/** Tries until it works; rejects with the last failure after `timeoutMs`. */
export async function untilWorks<T>(attempt: () => Promise<T>, timeoutMs: number): Promise<T> {
  const endsAt = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > endsAt) throw error
      await new Promise(resolve => setTimeout(resolve, pauseMs))
    }
  }
}
