/**
 * Reads the structure of an LMDB data file (data version 2, as lmdb-js 3 writes it) before LMDB does. LMDB trusts its
 * file: a damaged page number or a file cut short is a signal that kills the process, or a tree with a branch missing.
 * Here every page that the newest commit can reach is read and checked, so that damage is an error with a place.
 *
 *     page header:  pageNumber:8  transaction:8  pad:2  flags:2  lower:2  upper:2   (overflow: pages:4)   then slots
 *     meta page:    header  magic:4 version:4 address:8 mapSize:8  freeTree:48  mainTree:48  lastPage:8  transaction:8
 *     tree:         pad:4 (of the free tree: the page size)  flags:2 depth:2 branch:8 leaf:8 overflow:8 entries:8 root:8
 *     node:         low:2 high:2 flags:2 keyLength:2  key  data | overflow { page:8 transaction:8 pages:8 }
 *
 * Little endian, as on every machine the native package is built for. Contents are not looked at: values have checksums.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { CorruptionError } from '../util/errors.ts'
import { damaged } from './damage.ts'

const headerBytes = 24
const metaMagic = 0xbeefc0de
const dataVersion = 2
const mapBytesMax = 2 ** 40
const noPage = 0xffff_ffff_ffff_ffffn
const pageFlag = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 }
const bigDataFlag = 0x01
/** LMDB's own flags of the tree of free pages: integer keys; and of the environment, which it keeps there too. */
const freeTreeFlags = 0x08
const environmentFlags = 0x800

interface Tree {
  readonly name: 'free' | 'main'
  readonly flags: number
  readonly depth: number
  readonly pages: { branch: number; leaf: number; overflow: number }
  readonly entries: number
  readonly root: bigint
}

interface Meta {
  readonly pageSize: number
  readonly free: Tree
  readonly main: Tree
  readonly lastPage: number
  readonly transaction: number
}

/** Throws `CorruptionError` naming the file and the page unless the newest commit in the file is whole. */
export function checkLmdbFile(path: string): void {
  const fd = openSync(path, 'r')
  try {
    new FileCheck(path, fd, fstatSync(fd).size).run()
  } finally {
    closeSync(fd)
  }
}

class FileCheck {
  readonly #path: string
  readonly #fd: number
  readonly #sizeBytes: number
  #pageSize = 4096
  #meta!: Meta
  /** Pages reached so far: each may be reached once. */
  readonly #used = new Set<number>()
  readonly #freeLists: Buffer[] = []

  constructor(path: string, fd: number, sizeBytes: number) {
    this.#path = path
    this.#fd = fd
    this.#sizeBytes = sizeBytes
  }

  run(): void {
    const first = this.#readMeta(0)
    this.#pageSize = first.pageSize
    const second = this.#readMeta(1)
    if (second.pageSize !== first.pageSize) throw this.#damage(1, 'the two meta pages disagree on the page size')
    // Commit N writes meta page N % 2, so the two are always one commit apart: anything else hides the newest one.
    const isOrdered = first.transaction % 2 === 0 && Math.abs(first.transaction - second.transaction) === 1
    if (!isOrdered) throw this.#damage(0, 'the two meta pages are not of neighbouring commits')
    this.#meta = first.transaction > second.transaction ? first : second
    this.#walkTree(this.#meta.main)
    this.#walkTree(this.#meta.free)
    this.#checkFreeLists()
  }

  #readMeta(page: number): Meta {
    const bytes = this.#read(page)
    const size = bytes.readUInt32LE(48)
    if (bytes.readUInt16LE(18) !== pageFlag.meta || bytes.readUInt32LE(24) !== metaMagic)
      throw this.#damage(page, 'not an LMDB meta page')
    if (bytes.readUInt32LE(28) !== dataVersion) throw this.#damage(page, 'not of LMDB data version 2')
    if (size < 4096 || size > 65_536 || (size & (size - 1)) !== 0) throw this.#damage(page, 'no possible page size')
    const meta: Meta = {
      pageSize: size,
      free: readTree('free', bytes, 48),
      main: readTree('main', bytes, 96),
      lastPage: Number(bytes.readBigUInt64LE(144)),
      transaction: Number(bytes.readBigUInt64LE(152)),
    }
    const mapBytes = Number(bytes.readBigUInt64LE(40))
    // LMDB maps as much as these say, whatever the file has; an absurd number kills the process.
    if (mapBytes > mapBytesMax || mapBytes % size !== 0 || (meta.lastPage + 1) * size > mapBytes)
      throw this.#damage(page, 'no possible size of the map')
    if (meta.main.flags !== 0 || bytes.readUInt32LE(96) !== 0) throw this.#damage(page, 'unknown flags of the tree')
    if ((meta.free.flags & ~environmentFlags) !== freeTreeFlags)
      throw this.#damage(page, 'unknown flags of the free tree')
    return meta
  }

  #walkTree(tree: Tree): void {
    const counted = { branch: 0, leaf: 0, overflow: 0, entries: 0 }
    if (tree.root === noPage) {
      if (tree.depth !== 0) throw this.#damage(0, `the ${tree.name} tree has a depth but no root`)
    } else {
      this.#walkPage(tree, Number(tree.root), 1, null, null, counted)
    }
    const { pages, entries } = tree
    const isSame =
      counted.branch === pages.branch &&
      counted.leaf === pages.leaf &&
      counted.overflow === pages.overflow &&
      counted.entries === entries
    if (!isSame) throw this.#damage(0, `the ${tree.name} tree is not as large as its description says`)
  }

  /** Checks the page and all below it: keys in [from, to). */
  #walkPage(tree: Tree, page: number, level: number, from: Buffer | null, to: Buffer | null, counted: Counted): void {
    const isLeaf = level === tree.depth
    const bytes = this.#readTreePage(page, isLeaf ? pageFlag.leaf : pageFlag.branch)
    counted[isLeaf ? 'leaf' : 'branch']++
    const nodes = this.#readNodes(page, bytes, isLeaf)
    const compare = tree.name === 'free' ? compareIntegers : Buffer.compare
    for (const [i, node] of nodes.entries()) {
      // The first key of a branch page is empty: it stands for everything below the second.
      const lower = isLeaf || i > 0 ? node.key : from
      if (lower !== null && from !== null && compare(lower, from) < 0)
        throw this.#damage(page, 'a key is in the wrong place')
      const next = nodes[i + 1]
      const upper = next === undefined ? to : next.key
      if (lower !== null && upper !== null && compare(lower, upper) >= 0)
        throw this.#damage(page, 'keys are out of order')
      if (!isLeaf) this.#walkPage(tree, node.child, level + 1, lower, upper, counted)
      else this.#walkLeafNode(tree, page, node, counted)
    }
  }

  #walkLeafNode(tree: Tree, page: number, node: Node, counted: Counted): void {
    counted.entries++
    if ((node.flags & ~bigDataFlag) !== 0) throw this.#damage(page, 'a node has unknown flags')
    let data = node.data
    if (node.flags & bigDataFlag) {
      const overflowPage = Number(data.readBigUInt64LE(0))
      const pages = Number(data.readBigUInt64LE(16))
      // A value that was written again within one commit, and shorter, keeps the pages it had.
      if (pages < Math.floor((headerBytes - 1 + node.dataLength) / this.#pageSize) + 1)
        throw this.#damage(page, 'a value has too few overflow pages')
      const first = this.#readTreePage(overflowPage, pageFlag.overflow)
      if (first.readUInt32LE(20) !== pages) throw this.#damage(overflowPage, 'has another number of pages')
      for (let i = 1; i < pages; i++) this.#use(overflowPage + i)
      counted.overflow += pages
      if (tree.name === 'free') data = this.#readBytes(overflowPage, headerBytes, node.dataLength)
    }
    if (tree.name === 'free') {
      if (node.key.length !== 8) throw this.#damage(page, 'a free list has a key of the wrong length')
      this.#freeLists.push(data)
    }
  }

  #readNodes(page: number, bytes: Buffer, isLeaf: boolean): Node[] {
    const lower = bytes.readUInt16LE(20)
    const upper = bytes.readUInt16LE(22)
    const count = lower >> 1
    const isPossible =
      lower % 2 === 0 && lower <= upper && upper <= this.#pageSize - headerBytes && count >= (isLeaf ? 1 : 2)
    if (!isPossible) throw this.#damage(page, 'impossible bounds')
    return Array.from({ length: count }, (_, i) => {
      const at = headerBytes + bytes.readUInt16LE(headerBytes + 2 * i)
      if (at < headerBytes + upper || at + 8 > this.#pageSize) throw this.#damage(page, 'a node is outside its page')
      const low = bytes.readUInt16LE(at) + bytes.readUInt16LE(at + 2) * 0x1_0000
      const flags = bytes.readUInt16LE(at + 4)
      const keyEnd = at + 8 + bytes.readUInt16LE(at + 6)
      const dataLength = isLeaf ? low : 0
      const dataEnd = keyEnd + (isLeaf && flags & bigDataFlag ? 24 : dataLength)
      if (dataEnd > this.#pageSize) throw this.#damage(page, 'a node is outside its page')
      const key = bytes.subarray(at + 8, keyEnd)
      // In a branch the flags are the top bits of the page number.
      return { key, flags, child: low + flags * 0x1_0000_0000, dataLength, data: bytes.subarray(keyEnd, dataEnd) }
    })
  }

  /** A page both in use and on a list of free ones would be overwritten by the next commits. */
  #checkFreeLists(): void {
    for (const list of this.#freeLists) {
      const count = list.length >= 8 ? Number(list.readBigUInt64LE(0)) : -1
      if (count < 0 || count > list.length / 8 - 1) throw this.#damage(0, 'a free list is longer than its record')
      let run = 1
      for (let i = 1; i <= count; i++) {
        const value = Number(list.readBigInt64LE(8 * i))
        if (value > 0) {
          for (let page = value; page < value + run; page++) {
            if (page < 2 || page > this.#meta.lastPage || this.#used.has(page))
              throw this.#damage(page, 'listed as free, but in use or not a page of this file')
            this.#used.add(page)
          }
        }
        // A negative value is the length of the run that begins with the next page; zeros are gaps.
        run = value < 0 ? -value : 1
        if (run > this.#meta.lastPage) throw this.#damage(0, 'a free list has an impossible run')
      }
    }
  }

  #readTreePage(page: number, flags: number): Buffer {
    this.#use(page)
    const bytes = this.#read(page)
    if (Number(bytes.readBigUInt64LE(0)) !== page) throw this.#damage(page, 'carries another page number')
    if (Number(bytes.readBigUInt64LE(8)) > this.#meta.transaction) throw this.#damage(page, 'is of a later commit')
    if (bytes.readUInt16LE(18) !== flags) throw this.#damage(page, 'is of another kind')
    return bytes
  }

  #use(page: number): void {
    const isPage = page >= 2 && page <= this.#meta.lastPage && (page + 1) * this.#pageSize <= this.#sizeBytes
    if (!isPage) throw this.#damage(page, 'is in use but not in the file; it was cut short or is damaged')
    if (this.#used.has(page)) throw this.#damage(page, 'is used twice')
    this.#used.add(page)
  }

  #read(page: number): Buffer {
    return this.#readBytes(page, 0, this.#pageSize)
  }

  #readBytes(page: number, from: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    const at = page * this.#pageSize + from
    if (at + length > this.#sizeBytes || readSync(this.#fd, bytes, 0, length, at) !== length)
      throw this.#damage(page, 'is not in the file; it was cut short or is damaged')
    return bytes
  }

  #damage(page: number, what: string): CorruptionError {
    return damaged(`${this.#path}, page ${page}`, what)
  }
}

interface Counted {
  branch: number
  leaf: number
  overflow: number
  entries: number
}

interface Node {
  readonly key: Buffer
  readonly flags: number
  readonly child: number
  readonly dataLength: number
  readonly data: Buffer
}

function readTree(name: Tree['name'], bytes: Buffer, at: number): Tree {
  const count = (offset: number): number => Number(bytes.readBigUInt64LE(at + offset))
  return {
    name,
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    pages: { branch: count(8), leaf: count(16), overflow: count(24) },
    entries: count(32),
    root: bytes.readBigUInt64LE(at + 40),
  }
}

function compareIntegers(a: Buffer, b: Buffer): number {
  const difference = Buffer.from(a).readBigUInt64LE() - Buffer.from(b).readBigUInt64LE()
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
