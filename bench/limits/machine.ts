/** What this machine gives to anybody, in single threads of one process: measured once in every run, beside the workloads. */
import { closeSync, fdatasyncSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { runBarePush } from './bare-push.ts'
import { rawLmdb } from './raw-lmdb.ts'

const { crc32c } = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c(bytes: Uint8Array): number }

/** By a name that says what it is, and its unit. */
export async function measureMachine(directory: string, seconds: number): Promise<Record<string, number>> {
  const work = mkdtempSync(path.join(directory, 'limits-'))
  const file = path.join(work, 'file')
  try {
    const lmdb = async (batch: number, concurrency: number): Promise<number> => {
      const place = mkdtempSync(path.join(work, 'lmdb-'))
      return (await rawLmdb({ directory: place, seconds, batch, sizeBytes: 100, concurrency })).commitsPerSecond
    }
    return {
      'append 256 KiB to a file, MB/s': append(file, 256 << 10, false, seconds).bytesPerSecond / 1e6,
      'append 256 KiB and fdatasync, MB/s': append(file, 256 << 10, true, seconds).bytesPerSecond / 1e6,
      'append 1 KiB and fdatasync, per second': append(file, 1 << 10, true, seconds).bytesPerSecond / 1024,
      'CRC-32C of 64 KiB, MB/s': checksum(64 << 10, seconds) / 1e6,
      'LMDB commits of one entry, per second': await lmdb(1, 1),
      'LMDB commits of 100 entries, 16 under way, per second': await lmdb(100, 16),
      'page cache to ws to a client, MB/s': await runBarePush({ file, seconds }),
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The file is cut off when it is large: a disk that fills up is none of its business. */
function append(file: string, bytes: number, isSynced: boolean, seconds: number): { bytesPerSecond: number } {
  const fd = openSync(file, 'w')
  const piece = Buffer.alloc(bytes, 0x78)
  const fileBytesMax = 1 << 30
  let written = 0
  let position = 0
  const elapsed = repeat(seconds, () => {
    if (position >= fileBytesMax) {
      ftruncateSync(fd)
      position = 0
    }
    writeSync(fd, piece, 0, bytes, position)
    if (isSynced) fdatasyncSync(fd)
    position += bytes
    written += bytes
  })
  closeSync(fd)
  return { bytesPerSecond: written / elapsed }
}

function checksum(bytes: number, seconds: number): number {
  const piece = Buffer.alloc(bytes, 0x78)
  let done = 0
  const elapsed = repeat(seconds, () => {
    crc32c(piece)
    done += bytes
  })
  return done / elapsed
}

/** Returns how many seconds it really took. */
function repeat(seconds: number, once: () => void): number {
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  while (performance.now() < endsAt) once()
  return (performance.now() - startedAt) / 1_000
}
