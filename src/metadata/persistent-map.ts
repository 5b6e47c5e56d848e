/**
 * A map that is never changed: a hash array mapped trie (Bagwell 2001) with 32 branches a level. An edit session
 * copies each node it touches once and then writes to its copy, so a batch of n changes costs n path copies at most
 * and usually far fewer, and every map handed out before stays what it was.
 *
 * Iteration order follows the hashes and, among equal ones, the keys: equal maps iterate alike, however they came about.
 */
import { assert } from '../util/assert.ts'

/** Names one edit session: a node that carries it may be written in place. */
type Owner = { readonly session: true }

type Key = string | number
type Node<K, V> = Branch<K, V> | Collision<K, V> | Leaf<K, V>

class Leaf<K, V> {
  readonly hash: number
  readonly key: K
  readonly value: V
  constructor(hash: number, key: K, value: V) {
    this.hash = hash
    this.key = key
    this.value = value
  }
}

/** Keys whose 32 bits of hash are the same. At least two, sorted. */
class Collision<K, V> {
  readonly hash: number
  readonly leaves: readonly Leaf<K, V>[]
  constructor(hash: number, leaves: readonly Leaf<K, V>[]) {
    this.hash = hash
    this.leaves = leaves
  }
}

class Branch<K, V> {
  readonly owner: Owner | null
  /** Bit i is set when slot i of 32 is taken; `nodes` holds the taken ones in order. */
  bitmap: number
  readonly nodes: Node<K, V>[]
  constructor(owner: Owner | null, bitmap: number, nodes: Node<K, V>[]) {
    this.owner = owner
    this.bitmap = bitmap
    this.nodes = nodes
  }
}

const bitsPerLevel = 5
const slotMask = 31

export class PersistentMap<K extends Key, V> implements ReadonlyMap<K, V> {
  readonly #root: Node<K, V> | null
  readonly size: number

  private constructor(root: Node<K, V> | null, size: number) {
    this.#root = root
    this.size = size
  }

  static empty<K extends Key, V>(): PersistentMap<K, V> {
    return new PersistentMap<K, V>(null, 0)
  }

  static from<K extends Key, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    const edit = PersistentMap.empty<K, V>().edit()
    for (const [key, value] of entries) edit.set(key, value)
    return edit.finish()
  }

  get(key: K): V | undefined {
    return find(this.#root, hashKey(key), key)?.value
  }

  has(key: K): boolean {
    return find(this.#root, hashKey(key), key) !== null
  }

  /** Opens an edit session that starts from this map. */
  edit(): MapEdit<K, V> {
    return new MapEdit<K, V>(this, this.#root, (root, size) => new PersistentMap<K, V>(root, size))
  }

  *[Symbol.iterator](): MapIterator<[K, V]> {
    for (const leaf of leaves(this.#root)) yield [leaf.key, leaf.value]
  }

  entries(): MapIterator<[K, V]> {
    return this[Symbol.iterator]()
  }

  *keys(): MapIterator<K> {
    for (const leaf of leaves(this.#root)) yield leaf.key
  }

  *values(): MapIterator<V> {
    for (const leaf of leaves(this.#root)) yield leaf.value
  }

  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const leaf of leaves(this.#root)) visit(leaf.value, leaf.key, this)
  }
}

/** Changes to one map, collected in place. Reads see them at once. After `finish` it may not be used. */
export class MapEdit<K extends Key, V> {
  readonly #before: PersistentMap<K, V>
  readonly #make: (root: Node<K, V> | null, size: number) => PersistentMap<K, V>
  #root: Node<K, V> | null
  #size: number
  #owner: Owner | null = { session: true }
  #isChanged = false

  constructor(
    before: PersistentMap<K, V>,
    root: Node<K, V> | null,
    make: (root: Node<K, V> | null, size: number) => PersistentMap<K, V>,
  ) {
    this.#before = before
    this.#root = root
    this.#size = before.size
    this.#make = make
  }

  get size(): number {
    return this.#size
  }

  get(key: K): V | undefined {
    return find(this.#root, hashKey(key), key)?.value
  }

  has(key: K): boolean {
    return find(this.#root, hashKey(key), key) !== null
  }

  set(key: K, value: V): void {
    assert(this.#owner !== null, 'a finished edit is not written')
    const hash = hashKey(key)
    const old = find(this.#root, hash, key)
    if (old !== null && old.value === value) return
    if (old === null) this.#size++
    this.#isChanged = true
    this.#root = insert(this.#owner, this.#root, new Leaf(hash, key, value), 0)
  }

  /** Says whether the key was there. */
  delete(key: K): boolean {
    assert(this.#owner !== null, 'a finished edit is not written')
    const hash = hashKey(key)
    if (find(this.#root, hash, key) === null) return false
    this.#size--
    this.#isChanged = true
    this.#root = remove(this.#owner, this.#root!, hash, key, 0)
    return true
  }

  /** The map with the changes; the very map it began from if there were none. */
  finish(): PersistentMap<K, V> {
    this.#owner = null
    return this.#isChanged ? this.#make(this.#root, this.#size) : this.#before
  }
}

function find<K, V>(root: Node<K, V> | null, hash: number, key: K): Leaf<K, V> | null {
  let node = root
  for (let shift = 0; node instanceof Branch; shift += bitsPerLevel) {
    const bit = 1 << ((hash >>> shift) & slotMask)
    if ((node.bitmap & bit) === 0) return null
    node = node.nodes[slotsBelow(node.bitmap, bit)]!
  }
  if (node instanceof Leaf) return node.key === key ? node : null
  return node?.leaves.find(leaf => leaf.key === key) ?? null
}

function insert<K, V>(owner: Owner, node: Node<K, V> | null, leaf: Leaf<K, V>, shift: number): Node<K, V> {
  if (node === null) return leaf
  if (node instanceof Branch) return insertInto(owner, node, leaf, shift)
  if (node.hash !== leaf.hash) {
    // Two hashes share the bits so far: a branch parts them, here or further down.
    const bit = 1 << ((node.hash >>> shift) & slotMask)
    return insertInto(owner, new Branch<K, V>(owner, bit, [node]), leaf, shift)
  }
  if (node instanceof Leaf) return node.key === leaf.key ? leaf : collision([node, leaf])
  return collision([...node.leaves.filter(other => other.key !== leaf.key), leaf])
}

function collision<K, V>(unsorted: Leaf<K, V>[]): Collision<K, V> {
  return new Collision(
    unsorted[0]!.hash,
    unsorted.sort((a, b) => (a.key < b.key ? -1 : 1)),
  )
}

function insertInto<K, V>(owner: Owner, branch: Branch<K, V>, leaf: Leaf<K, V>, shift: number): Branch<K, V> {
  const own = ownedBranch(owner, branch)
  const bit = 1 << ((leaf.hash >>> shift) & slotMask)
  const at = slotsBelow(own.bitmap, bit)
  if ((own.bitmap & bit) === 0) {
    own.nodes.splice(at, 0, leaf)
    own.bitmap |= bit
  } else {
    own.nodes[at] = insert(owner, own.nodes[at]!, leaf, shift + bitsPerLevel)
  }
  return own
}

/** The key is known to be there. A branch left with one leaf becomes that leaf, so that shape follows contents. */
function remove<K, V>(owner: Owner, node: Node<K, V>, hash: number, key: K, shift: number): Node<K, V> | null {
  if (node instanceof Leaf) return null
  if (node instanceof Collision) {
    const rest = node.leaves.filter(leaf => leaf.key !== key)
    return rest.length === 1 ? rest[0]! : new Collision(hash, rest)
  }
  const own = ownedBranch(owner, node)
  const bit = 1 << ((hash >>> shift) & slotMask)
  const at = slotsBelow(own.bitmap, bit)
  const rest = remove(owner, own.nodes[at]!, hash, key, shift + bitsPerLevel)
  if (rest === null) {
    own.nodes.splice(at, 1)
    own.bitmap &= ~bit
  } else {
    own.nodes[at] = rest
  }
  if (own.nodes.length === 0) return null
  return own.nodes.length === 1 && !(own.nodes[0] instanceof Branch) ? own.nodes[0]! : own
}

function ownedBranch<K, V>(owner: Owner, branch: Branch<K, V>): Branch<K, V> {
  return branch.owner === owner ? branch : new Branch(owner, branch.bitmap, branch.nodes.slice())
}

function* leaves<K, V>(root: Node<K, V> | null): Generator<Leaf<K, V>, undefined> {
  if (root === null) return
  const stack: Node<K, V>[] = [root]
  while (stack.length > 0) {
    const node = stack.pop()!
    if (node instanceof Leaf) yield node
    else if (node instanceof Collision) yield* node.leaves
    else for (let i = node.nodes.length - 1; i >= 0; i--) stack.push(node.nodes[i]!)
  }
}

/** How many taken slots lie below `bit`: its position in `nodes`. */
function slotsBelow(bitmap: number, bit: number): number {
  let bits = bitmap & (bit - 1)
  bits -= (bits >>> 1) & 0x5555_5555
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333)
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}

/** FNV-1a over the code units of a string; both kinds end in murmur3's finalizer so that the low bits are good. */
export function hashKey(key: Key): number {
  let hash = 0x811c_9dc5
  if (typeof key === 'number') {
    hash = Math.imul(hash ^ (key | 0), 0x0100_0193) ^ (key / 0x1_0000_0000)
  } else {
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x0100_0193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
