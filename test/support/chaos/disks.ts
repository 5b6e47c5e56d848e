/** Disks that can lose their power and fill up: ext4 in a file, mounted. Needs root, and says so where there is none. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { GiB, MiB } from '../../../src/util/units.ts'

/** Sparse: only what is written takes space. */
const diskBytes = 8 * GiB

export class LoopDisk {
  /** Where it is mounted. */
  readonly directory: string
  readonly #image: string
  readonly #shutdown: string

  constructor(directory: string, shutdown: string) {
    this.directory = directory
    this.#image = `${directory}.ext4`
    this.#shutdown = shutdown
    mkdirSync(directory, { recursive: true })
    run('truncate', '-s', String(diskBytes), this.#image)
    run('mkfs.ext4', '-q', '-F', this.#image)
    this.#mount()
  }

  /** What was not synced is gone; every later write and sync fails. */
  cutPower(): void {
    run(this.#shutdown, this.directory)
  }

  /** Nobody may have a file open on it. */
  restorePower(): void {
    run('umount', this.directory)
    this.#mount()
  }

  /** Leaves `freeBytes`, more or less. */
  fill(freeBytes: number): void {
    const { bavail, bsize } = statfsSync(this.directory)
    const ballastBytes = Math.max(MiB, bavail * bsize - freeBytes)
    // Without a write, and without a byte of the machine's own disk.
    run('fallocate', '-l', String(ballastBytes), this.#ballast)
  }

  free(): void {
    rmSync(this.#ballast, { force: true })
  }

  remove(): void {
    // Whoever still holds it loses it when they let go.
    run('umount', '-l', this.directory)
    rmSync(this.#image)
  }

  get #ballast(): string {
    return path.join(this.directory, 'ballast')
  }

  #mount(): void {
    run('mount', '-o', 'loop,noatime', this.#image, this.directory)
  }
}

export type DiskMaker = (directory: string) => LoopDisk

/** What makes such disks, or the reason why they cannot be made. */
export function loopDisks(): { make: DiskMaker } | { missing: string } {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return { missing: 'needs Linux and root' }
  const work = mkdtempSync(path.join(tmpdir(), 'millrace-disks-'))
  process.once('exit', () => rmSync(work, { recursive: true, force: true }))
  const shutdown = path.join(work, 'shutdown-fs')
  const source = fileURLToPath(new URL('../../shims/shutdown-fs.c', import.meta.url))
  try {
    run('cc', '-O1', '-o', shutdown, source)
    const probe = new LoopDisk(path.join(work, 'probe'), shutdown)
    probe.cutPower()
    probe.restorePower()
    probe.remove()
  } catch (error) {
    return { missing: `needs cc, loop devices and mount: ${(error as Error).message}` }
  }
  return { make: directory => new LoopDisk(directory, shutdown) }
}

export function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}
