/** Replays session records: remembers the answers and keeps the order in which clients were last heard of. */
import { assert } from '../util/assert.ts'
import type { IndexedSessions, SessionImage } from './cluster-image.ts'
import type { MapEdit } from './persistent-map.ts'
import type { RecordOf } from './record-types.ts'

export class SessionsEdit {
  readonly #before: IndexedSessions
  readonly #byClient: MapEdit<string, SessionImage>
  readonly #byOrder: MapEdit<number, string>
  #oldestOrder: number
  #nextOrder: number
  #responseBytes: number

  constructor(sessions: IndexedSessions) {
    this.#before = sessions
    this.#byClient = sessions.byClient.edit()
    this.#byOrder = sessions.byOrder.edit()
    this.#oldestOrder = sessions.oldestOrder
    this.#nextOrder = sessions.nextOrder
    this.#responseBytes = sessions.responseBytes
  }

  put({ clientId, requestId, apiKey, apiVersion, response, evictedClientIds }: RecordOf<'session'>): void {
    const before = this.#byClient.get(clientId)
    assert(before === undefined || before.requestId < requestId, 'a request id rises within its session')
    for (const evicted of evictedClientIds) this.#forget(evicted)
    if (before !== undefined) this.#forget(clientId)
    const order = this.#nextOrder++
    // A copy: the record's bytes are a view that would keep the whole entry alive. (`slice` of a Buffer copies nothing.)
    this.#byClient.set(clientId, { requestId, apiKey, apiVersion, response: Uint8Array.from(response), order })
    this.#byOrder.set(order, clientId)
    this.#responseBytes += response.length
    // Each order is passed once in the life of a cluster, so this loop costs a step per session written.
    while (!this.#byOrder.has(this.#oldestOrder)) this.#oldestOrder++
  }

  finish(): IndexedSessions {
    if (this.#nextOrder === this.#before.nextOrder) return this.#before
    return {
      byClient: this.#byClient.finish(),
      byOrder: this.#byOrder.finish(),
      oldestOrder: this.#oldestOrder,
      nextOrder: this.#nextOrder,
      responseBytes: this.#responseBytes,
    }
  }

  #forget(clientId: string): void {
    const session = this.#byClient.get(clientId)
    assert(session !== undefined, 'only a known session is forgotten')
    this.#byClient.delete(clientId)
    this.#byOrder.delete(session.order)
    this.#responseBytes -= session.response.length
  }
}
