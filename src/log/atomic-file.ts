/**
 * Small files that are replaced whole: written beside, synced, renamed, directory synced. After a crash the file is the
 * old one or the new one. Lines that carry their own CRC-32C let a flipped bit be refused instead of believed.
 */
import { crc32c } from '../util/crc32c.ts'
import type { Disk } from './disk.ts'
import { suffix } from './paths.ts'
import type { SyncScheduler } from './sync-scheduler.ts'

const crcLine = 'crc32c: '

export async function replaceFile(
  disk: Disk,
  syncs: Pick<SyncScheduler, 'run'>,
  path: string,
  text: string,
): Promise<void> {
  const temporary = path + suffix.temporary
  const file = disk.open(temporary, { create: true })
  try {
    // A crash may have left a longer one.
    file.truncate(0)
    file.write([new TextEncoder().encode(text)], 0)
    await syncs.run(() => file.sync())
  } finally {
    file.close()
  }
  disk.rename(temporary, path)
  await syncs.run(() => disk.syncDirectory(parentDirectory(path)))
}

/** Appends the line that vouches for those before it. Every line of `text` ends in a newline. */
export function withCrc(text: string): string {
  const bytes = new TextEncoder().encode(text)
  return `${text}${crcLine}${crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0')}\n`
}

/** The lines before the CRC line, or `null` when it is missing or does not match. */
export function checkedLines(bytes: Uint8Array): string[] | null {
  const text = decodeText(bytes)
  const at = text.lastIndexOf(`\n${crcLine}`) + 1
  const body = text.slice(0, at)
  if (at === 0 || withCrc(body) !== text) return null
  return body.slice(0, -1).split('\n')
}

/** As Latin-1: every byte is a character, so damage is seen and not smoothed over. */
export function decodeText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

export function parentDirectory(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash)
}
