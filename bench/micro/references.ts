/**
 * The pieces of work that cases are measured against. They use nothing of src/, and stay as they are: a figure recorded earlier
 * is a ratio to them.
 */
import { createRequire } from 'node:module'
import { keep, type Reference } from './case.ts'

const { crc32c } = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c(bytes: Uint8Array): number }

let state = 0x9e3779b9

/** For code that computes. */
export const arithmetic: Reference = {
  name: '100 steps of xorshift',
  run: () => {
    for (let step = 0; step < 100; step++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
    }
    return 1
  },
}

interface Link {
  readonly value: number
  readonly next: Link | null
}

/** For code that makes objects: the collector's work is in it, too. */
export const objects: Reference = {
  name: '100 objects made and walked',
  run: () => {
    let head: Link | null = null
    for (let value = 0; value < 100; value++) head = { value, next: head }
    let sum = 0
    for (let link = head; link !== null; link = link.next) sum += link.value
    keep(sum)
    return 1
  },
}

/**
 * For code that moves bytes: `operations` of them handle these. From and to lie in one piece of memory at a fixed distance, since
 * some processors copy ten times slower when the two begin at nearly the same place of their pages.
 */
export function copyOf(bytes: Uint8Array, operations = 1): Reference {
  const pageBytes = 4_096
  const distance = Math.ceil(bytes.length / pageBytes) * pageBytes + pageBytes / 2
  const memory = new Uint8Array(distance + bytes.length)
  memory.set(bytes)
  const source = memory.subarray(0, bytes.length)
  return {
    name: 'a copy of the same bytes',
    run: () => {
      memory.set(source, distance)
      return operations
    },
  }
}

/** For code that checks bytes. */
export function checksumOf(bytes: Uint8Array, operations = 1): Reference {
  return {
    name: 'native CRC-32C of the same bytes',
    run: () => {
      keep(crc32c(bytes))
      return operations
    },
  }
}
