/**
 * The listening side: handlers for what peers say on connections they opened. Nothing but an introduction is listened to
 * before an introduction was accepted, and nobody speaks in another's name.
 */
import { introduce, raftMessages, snapshotChunk } from '../../protocol/apis/index.ts'
import { ApiError } from '../../protocol/errors.ts'
import { described, ProtocolError } from '../../protocol/protocol-error.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { NodeId } from '../../util/numbers.ts'
import type { Introduction } from '../peer-port.ts'
import type { LinkCore } from './link-core.ts'
import { decodeMessage } from './message-codec.ts'
import { chunkOf } from './snapshot-codec.ts'

/** Different refusals that are worth a warning; behind them are mistakes in settings, of which there are few. */
const warningsMax = 100

export function inboundHandlers(core: LinkCore): readonly Handler[] {
  const peers = new InboundPeers(core)
  return [
    defineHandler(introduce, ({ to, ...peer }, context) => {
      peers.introduce(to as NodeId, { ...peer, nodeId: peer.nodeId as NodeId }, context)
      // Asked for afterwards: the introduction may just have told this member who it is.
      return core.receiver().introduction()
    }),
    defineHandler(raftMessages, ({ messages }, context) => {
      const { nodeId, diskId } = peers.get(context)
      for (const encoded of messages) {
        const message = decodeMessage(encoded)
        checkSpeaker(message.from, nodeId)
        core.stats.messagesReceived++
        core.receiver().onMessage(message, diskId)
      }
      return null
    }),
    defineHandler(snapshotChunk, (body, context) => {
      const { nodeId, diskId } = peers.get(context)
      const chunk = chunkOf(body)
      checkSpeaker(chunk.from, nodeId)
      return core.receiver().onChunk(chunk, diskId)
    }),
  ]
}

/** Who is behind each connection. */
class InboundPeers {
  readonly #core: LinkCore
  /** By the signal of the connection, which is its own. */
  readonly #peers = new Map<AbortSignal, Introduction>()
  /** Refusals that were warned of: who is refused comes again and again. */
  readonly #warned = new Set<string>()

  constructor(core: LinkCore) {
    this.#core = core
  }

  /** Throws `ApiError` to refuse it; then nothing it said before counts any more. */
  introduce(to: NodeId, peer: Introduction, { signal, remote }: RequestContext): void {
    const known = this.#peers.get(signal)
    try {
      this.#check(to, peer, known)
      this.#core.receiver().onIntroduction(peer)
    } catch (error) {
      this.#report(peer.nodeId, remote, error as Error)
      if (known !== undefined) this.#forget(signal)
      throw error
    }
    this.#peers.set(signal, peer)
    if (known !== undefined) return
    this.#core.presence.arrived(peer.nodeId)
    signal.addEventListener('abort', () => this.#forget(signal), { once: true })
  }

  get({ signal }: RequestContext): Introduction {
    const peer = this.#peers.get(signal)
    if (peer === undefined) throw new ApiError('INVALID_REQUEST', 'Introduce comes first between nodes.')
    return peer
  }

  #report(peer: NodeId, remote: string, error: Error): void {
    const { logger } = this.#core
    const fields = { peer, remote, reason: error.message }
    // Its own operator may not be looking: this node's learns of it too.
    const isNews = !isPassing(error) && !this.#warned.has(error.message) && this.#warned.size < warningsMax
    if (isNews) this.#warned.add(error.message)
    logger[isNews ? 'warn' : 'debug'](fields, 'refused the introduction of a peer')
  }

  #check(to: NodeId, peer: Introduction, known: Introduction | undefined): void {
    const { nodeId } = this.#core
    if (peer.nodeId === nodeId) {
      const text = `Node ${nodeId} is this node: another has the same node.id, or an address leads back to itself.`
      throw new ApiError('INVALID_REQUEST', text)
    }
    if (to !== nodeId) throw new ApiError('INVALID_REQUEST', `This is node ${nodeId}, not node ${to}.`)
    if (known !== undefined && known.nodeId !== peer.nodeId)
      throw new ApiError('INVALID_REQUEST', `Node ${known.nodeId} cannot become node ${peer.nodeId}.`)
  }

  #forget(signal: AbortSignal): void {
    const peer = this.#peers.get(signal)
    if (peer === undefined) return
    this.#peers.delete(signal)
    this.#core.presence.left(peer.nodeId)
  }
}

function checkSpeaker(from: NodeId, introduced: NodeId): void {
  if (from !== introduced) throw new ProtocolError('message.from', `node ${introduced}`, described(`node ${from}`))
}

/** While this member starts or stops. */
function isPassing(error: Error): boolean {
  return error instanceof ApiError && error.code === 'SHUTTING_DOWN'
}
