/** For tests that run what was built instead of what is in `src/`. */
import { builtDigest, sourceDigest } from '../../scripts/source-digest.mjs'

/** Throws when `dist` is missing, or of other sources than those that are here. */
export function assertBuilt(root: string): void {
  if (builtDigest(root) === sourceDigest(root)) return
  throw new Error('dist/ is not built of src/ as it is now: run "npm run build" first')
}
