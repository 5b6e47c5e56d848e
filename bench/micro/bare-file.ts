/** A file by the bare system calls: the reference of what the log and Raft's storage do to theirs. */
import { closeSync, fdatasync, ftruncateSync, openSync, read, writevSync } from 'node:fs'
import { promisify } from 'node:util'

const syncData = promisify(fdatasync)

export class BareFile {
  readonly #fd: number
  #position = 0

  /** Reads or appends from the beginning; made when it is missing. */
  constructor(path: string) {
    this.#fd = openSync(path, 'a+')
  }

  /** Ends in a turn of its own, as a group commit does. */
  async append(buffers: readonly Uint8Array[], isSynced: boolean): Promise<void> {
    writevSync(this.#fd, buffers)
    if (isSynced) await syncData(this.#fd)
    else await new Promise<void>(resolve => void setImmediate(resolve))
  }

  /** Into fresh memory, from the beginning again after the end; returns how many bytes there were. */
  async readNext(bytesMax: number): Promise<number> {
    const into = new Uint8Array(bytesMax)
    const count = await new Promise<number>((resolve, reject) => {
      read(this.#fd, into, 0, bytesMax, this.#position, (error, bytes) =>
        error === null ? resolve(bytes) : reject(error),
      )
    })
    this.#position = count < bytesMax ? 0 : this.#position + count
    return count
  }

  empty(): void {
    ftruncateSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
