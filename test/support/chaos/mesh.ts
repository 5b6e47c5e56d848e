/**
 * The network of one test cluster: a link for every ordered pair of nodes, and one from the clients to each node. A cut is
 * said of packets, `from` → `to`, as a firewall would: the pair has two links, and it concerns a direction of each.
 *
 * A node is started with `environmentOf(id)`: its connections to the others' ports then go through its own links, while the
 * addresses that nodes tell each other stay the real ones. Clients are told of `clientPortOf(id)` (`advertised.listeners`).
 */
import { Disposables } from '../../../src/util/disposables.ts'
import { type Conditions, clear, type Flow } from './conditions.ts'
import type { Cuttable } from './cuts.ts'
import { type Link, openLink } from './link.ts'

export interface MeshNode {
  readonly id: number
  /** Where it really listens. */
  readonly clientPort: number
  readonly peerPort: number
}

export async function openMesh(nodes: readonly MeshNode[], seed: number): Promise<Mesh> {
  const opened = new Disposables()
  const peers = new Map<string, Link>()
  const clients = new Map<number, Link>()
  let linkSeed = seed * 1_000
  try {
    for (const to of nodes) {
      clients.set(to.id, opened.use(await openLink({ port: to.clientPort }, { seed: linkSeed++ })))
      for (const from of nodes) {
        if (from === to) continue
        peers.set(`${from.id}>${to.id}`, opened.use(await openLink({ port: to.peerPort }, { seed: linkSeed++ })))
      }
    }
  } catch (error) {
    await opened.dispose()
    throw error
  }
  return new Mesh(nodes, peers, clients, opened)
}

export class Mesh implements Cuttable, AsyncDisposable {
  readonly #nodes: readonly MeshNode[]
  readonly #peers: ReadonlyMap<string, Link>
  readonly #clients: ReadonlyMap<number, Link>
  readonly #opened: Disposables

  constructor(
    nodes: readonly MeshNode[],
    peers: ReadonlyMap<string, Link>,
    clients: ReadonlyMap<number, Link>,
    opened: Disposables,
  ) {
    this.#nodes = nodes
    this.#peers = peers
    this.#clients = clients
    this.#opened = opened
  }

  get ids(): readonly number[] {
    return this.#nodes.map(({ id }) => id)
  }

  /** The link on which `from` dials `to`. */
  peer(from: number, to: number): Link {
    return this.#peers.get(`${from}>${to}`)!
  }

  /** The link on which clients dial it. */
  client(id: number): Link {
    return this.#clients.get(id)!
  }

  clientPortOf(id: number): number {
    return this.client(id).port
  }

  /** For the process of a node, which node-preload.mjs reads. */
  environmentOf(id: number): Record<string, string> {
    const routes = this.#nodes
      .filter(node => node.id !== id)
      .map(node => `${node.peerPort}=${this.peer(id, node.id).port}`)
    return { CHAOS_ROUTES: routes.join() }
  }

  /** Nothing of what `from` sends reaches `to` any more. */
  cut(from: number, to: number, flow: Exclude<Flow, 'pass'> = 'hold'): void {
    this.peer(from, to).set({ there: flow })
    this.peer(to, from).set({ back: flow })
  }

  /** Between nodes. */
  setPeers(changes: Partial<Conditions>): void {
    for (const link of this.#peers.values()) link.set(changes)
  }

  /** Every connection that this node has with others. */
  resetPeersOf(id: number): void {
    for (const [pair, link] of this.#peers) if (pair.split('>').includes(String(id))) link.reset()
  }

  heal(): void {
    for (const link of [...this.#peers.values(), ...this.#clients.values()]) link.set(clear)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.dispose()
  }
}
