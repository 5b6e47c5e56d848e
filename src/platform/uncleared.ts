/**
 * Memory for what is read, of which every byte is overwritten before anybody sees it. Filling it with zeros first cost a
 * tenth of the CPU of a node that served a backlog.
 */
import { KiB, MiB } from '../util/units.ts'

/** From here on glibc maps a piece of its own, at first. */
const mappedBytesMin = 128 * KiB
/** The largest that it learns from is 32 MiB, its own fields included. */
const lessonBytes = 32 * MiB - 64 * KiB
let isTaught = false

/**
 * What is mapped is given back when it is freed, and mapped anew for the next answer, page by page: as much as all else that
 * a consumer of 1 KiB records does. glibc stops that for pieces of a size that it has seen come back once, and keeps twice as
 * much for the next ones. So one piece of the largest size is asked for and forgotten; nobody touches it, it takes no memory.
 * Other allocators are not harmed.
 */
function teachAllocator(): void {
  isTaught = true
  Buffer.allocUnsafeSlow(lessonBytes)
}

export function uncleared(sizeBytes: number): Uint8Array<ArrayBuffer> {
  if (!isTaught && sizeBytes >= mappedBytesMin) teachAllocator()
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer as ArrayBuffer)
}
