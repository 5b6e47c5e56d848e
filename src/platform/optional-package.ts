/** Loads the optional packages: native code that makes Millrace faster or richer, and that it can do without. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

const here = createRequire(import.meta.url)

/** The package, loaded now, or `null` when it is not installed or has no binary for this machine. */
export function optionalPackage<T>(name: string): T | null {
  return orNull(() => here(name) as T)
}

/**
 * The native addon of a package that is an ES module and therefore cannot be loaded synchronously by name: its own
 * `node-gyp-build` finds the binary that belongs to this machine.
 */
export function optionalAddon<T>(name: string): T | null {
  return orNull(() => {
    const manifest = here.resolve(`${name}/package.json`)
    const load = createRequire(manifest)('node-gyp-build') as (directory: string) => T
    return load(dirname(manifest))
  })
}

function orNull<T>(load: () => T): T | null {
  try {
    return load()
  } catch {
    // Missing, or built for another machine, libc or Node: all the same to the caller, who has another way or says so.
    return null
  }
}
