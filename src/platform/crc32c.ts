/** Lends `util/crc32c.ts` the processor's own CRC-32C instruction, where the optional package for it is installed. */
import { installNativeCrc32c } from '../util/crc32c.ts'
import { optionalPackage } from './optional-package.ts'

/** Call once at start. Returns whether native code is now in use. */
export function installFastCrc32c(): boolean {
  const native = optionalPackage<{ crc32c(bytes: Uint8Array): number }>('@node-rs/crc32')
  if (native === null) return false
  installNativeCrc32c(bytes => native.crc32c(bytes))
  return true
}
