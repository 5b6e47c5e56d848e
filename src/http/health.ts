/**
 * `/livez`: the process runs its event loop; nothing else, or a slow recovery would get it killed in a circle.
 * `/readyz`: it serves: registered, caught up, not stopping; if not, why not.
 */
import { jsonAnswer, type Route } from './router.ts'

export interface Readiness {
  readonly isReady: boolean
  /** What is missing, one sentence each; empty when ready. */
  readonly reasons: readonly string[]
}

export function livezRoute(): Route {
  return () => jsonAnswer(200, { status: 'alive' })
}

export function readyzRoute(readiness: () => Readiness): Route {
  return () => {
    const { isReady, reasons } = readiness()
    return isReady ? jsonAnswer(200, { status: 'ready' }) : jsonAnswer(503, { status: 'not ready', reasons })
  }
}
