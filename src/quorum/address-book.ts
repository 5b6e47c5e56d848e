/** Where every other member is, by whoever knows it best: itself, else the settings, else the configuration. */
import { isMember } from '../raft/configuration.ts'
import type { Configuration } from '../raft/types.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Introduction } from './peer-port.ts'

export class AddressBook {
  readonly #ownId: NodeId
  readonly #settings: ReadonlyMap<NodeId, string>
  readonly #present = new Map<NodeId, Introduction>()
  /** What those that are gone said, as long as they are somebody one wants to reach. */
  readonly #lastUrls = new Map<NodeId, string>()
  /** Somebody to be added, who has not been heard of. */
  readonly #asked = new Map<NodeId, string>()

  constructor(ownId: NodeId, settings: ReadonlyMap<NodeId, string>) {
    this.#ownId = ownId
    this.#settings = settings
  }

  /** Those that introduced themselves and are not gone. */
  get present(): ReadonlyMap<NodeId, Introduction> {
    return this.#present
  }

  introduced(peer: Introduction): void {
    this.#present.set(peer.nodeId, peer)
    this.#lastUrls.delete(peer.nodeId)
    this.#asked.delete(peer.nodeId)
  }

  gone(id: NodeId, configuration: Configuration): void {
    const peer = this.#present.get(id)
    if (peer === undefined) return
    this.#present.delete(id)
    if (this.#settings.has(id) || isMember(configuration, id)) this.#lastUrls.set(id, peer.url)
  }

  ask(id: NodeId, url: string): void {
    if (!this.#present.has(id)) this.#asked.set(id, url)
  }

  /** Nobody waits for it any more. */
  forget(id: NodeId): void {
    this.#asked.delete(id)
  }

  addresses(configuration: Configuration): ReadonlyMap<NodeId, string> {
    const addresses = new Map<NodeId, string>()
    for (const { id, url } of configuration.members ?? []) addresses.set(id, url)
    for (const [id, url] of this.#settings) addresses.set(id, url)
    for (const [id, url] of this.#asked) addresses.set(id, url)
    for (const [id, url] of this.#lastUrls) addresses.set(id, url)
    for (const [id, { url }] of this.#present) addresses.set(id, url)
    addresses.delete(this.#ownId)
    return addresses
  }
}
