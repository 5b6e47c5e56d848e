/**
 * One client's connection on the server's side: bytes in, handlers started in the order their requests arrived, answers
 * out in the order they are ready. It owns what is in flight on its socket and the decision whether to read on.
 *
 * Reading stops (`#gate`) while the requests in flight here or on the whole node hold too many bytes, or while the
 * other end does not take its answers. What the socket still hands up then waits in `#arrived`, answers that become
 * ready wait unencoded in `#held`; both go on in order when the last reason is gone. A request answered at once costs
 * no promise and is never counted as in flight.
 */
import { apiVersions } from '../protocol/apis/api-versions.ts'
import { errorCode } from '../protocol/errors.ts'
import { decodeRequestEnvelope, encodeErrorResponse } from '../protocol/frame.ts'
import { requestFrameLimits } from '../protocol/prescan.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { joinBytes, sizeOfParts } from '../util/bytes.ts'
import { type Answer, encodeAnswer, isPromise, reportFailure } from './answer.ts'
import type { RequestContext } from './handler.ts'
import type { ServedApi } from './handler-table.ts'
import { HeldMemory } from './held-memory.ts'
import { InFlight } from './in-flight.ts'
import type { ListenerCore } from './listener-core.ts'
import type { BudgetMember } from './node-budget.ts'
import { blocked, ReadGate } from './read-gate.ts'
import { ReaderWatch } from './reader-watch.ts'
import { bufferMarks, closeCode, type Socket } from './socket.ts'
import type { CloseCause } from './stats.ts'

export interface ServerConnection {
  readonly id: number
  readonly remote: string
  /** `ApiVersions` was understood: from here on messages may be as large as the socket takes. */
  readonly isEstablished: boolean
  readonly inFlight: { readonly requests: number; readonly bytes: number }
}

export class OpenServerConnection implements ServerConnection, BudgetMember {
  readonly id: number
  readonly inFlight: InFlight
  readonly #socket: Socket
  readonly #core: ListenerCore
  readonly #onGone: (connection: OpenServerConnection) => void
  readonly #acceptedMs: number
  readonly #gone = new AbortController()
  readonly #reader = new ReaderWatch()
  readonly #gate: ReadGate
  readonly #memory = new HeldMemory()
  #context: RequestContext | null = null
  #handshakeMessages = 0
  #isClosed = false
  #arrived: Uint8Array[] = []
  #held: Answer[] = []
  #lastRequestMs: number

  constructor(id: number, socket: Socket, core: ListenerCore, onGone: (connection: OpenServerConnection) => void) {
    this.id = id
    this.#socket = socket
    this.#core = core
    this.inFlight = new InFlight(core)
    this.#gate = new ReadGate(socket, core.stats)
    this.#onGone = onGone
    this.#acceptedMs = this.#lastRequestMs = core.clock.nowMs()
    socket.onMessage = message => this.#onMessage(message)
    socket.onDrain = () => this.#unblock(blocked.reader)
    socket.onClose = () => this.#onClose()
    core.stats.connections++
    core.stats.connectionsAccepted++
    core.budget.join(this)
  }

  get remote(): string {
    return this.#socket.remote
  }

  get isEstablished(): boolean {
    return this.#context !== null
  }

  hold(): void {
    this.#block(blocked.node)
  }

  release(): void {
    this.#unblock(blocked.node)
  }

  /** Starts nothing more, finishes what was started, closes with 1001. */
  drain(): void {
    this.#arrived = []
    this.#block(blocked.draining)
    this.#maybeFinishDraining()
  }

  terminate(): void {
    this.#letGo()
    this.#socket.terminate()
  }

  /** Called now and then for what only the passing of time shows. */
  sweep(nowMs: number): void {
    if (this.#isClosed) return
    const { limits } = this.#core
    if (this.#context === null) {
      if (nowMs - this.#acceptedMs < limits.handshakeTimeoutMs) return
      this.#close('handshake', closeCode.handshake, 'no ApiVersions in time')
    } else if (this.#gate.has(blocked.reader)) {
      const { slowReaderTimeoutMs } = limits
      const hasStalled = this.#reader.hasStalled(nowMs, this.#socket.bufferedBytes, slowReaderTimeoutMs)
      const isInTheWay = this.#memory.isHolding && this.#core.isMemoryShort()
      if (!hasStalled && !(isInTheWay && this.#reader.isFullFor(nowMs, slowReaderTimeoutMs))) return
      this.#close('slow-reader', closeCode.slowReader, 'answers are not being read')
    } else if (this.inFlight.requests === 0 && this.#arrived.length === 0) {
      if (nowMs - this.#lastRequestMs < limits.idleTimeoutMs) return
      this.#close('idle', closeCode.normal, 'idle for too long')
    }
  }

  #onMessage(message: Uint8Array): void {
    if (this.#isClosed || this.#gate.has(blocked.draining)) return
    this.#core.stats.bytesIn += message.length
    if (!this.#gate.isOpen) this.#arrived.push(message)
    else this.#start(message)
  }

  #start(message: Uint8Array): void {
    const startedMs = this.#core.clock.nowMs()
    this.#lastRequestMs = startedMs
    if (this.#context === null && !this.#mayShakeHands(message)) return
    let envelope: ReturnType<typeof decodeRequestEnvelope>
    try {
      envelope = decodeRequestEnvelope(message, requestFrameLimits)
    } catch (error) {
      const reason = error instanceof ProtocolError ? error.message : 'the frame is not MessagePack'
      this.#close('malformed', closeCode.malformedFrame, reason)
      return
    }
    const { apiKey, apiVersion, correlationId } = envelope
    if (this.#context === null && apiKey !== apiVersions.key) {
      this.#close('handshake', closeCode.handshake, 'ApiVersions must come first')
      return
    }
    const served = this.#core.table.get(apiKey)
    if (served === undefined || apiVersion < served.api.versionMin || apiVersion > served.api.versionMax) {
      this.#refuse(served, correlationId)
      return
    }
    served.stats.requests++
    served.stats.bytesIn += message.length
    this.#dispatch(served, apiVersion, correlationId, envelope.body, message.length, startedMs)
  }

  /** Before `ApiVersions` a connection may cost next to nothing. */
  #mayShakeHands(message: Uint8Array): boolean {
    const { handshakeMessageBytesMax, handshakeMessagesMax } = this.#core.limits
    if (message.length > handshakeMessageBytesMax) {
      this.#close('too-large', closeCode.messageTooBig, 'messages before ApiVersions must be small')
      return false
    }
    if (++this.#handshakeMessages > handshakeMessagesMax) {
      this.#close('handshake', closeCode.handshake, 'too many messages before ApiVersions')
      return false
    }
    return true
  }

  #refuse(served: ServedApi | undefined, correlationId: number): void {
    this.#core.stats.unsupportedRequests++
    served?.stats.countError('UNSUPPORTED_VERSION')
    const message =
      served === undefined
        ? 'This listener serves no API with this key.'
        : `${served.api.name} is served in versions ${served.api.versionMin} to ${served.api.versionMax}.`
    this.#send([encodeErrorResponse(correlationId, errorCode('UNSUPPORTED_VERSION'), message)])
  }

  #dispatch(
    served: ServedApi,
    version: number,
    correlationId: number,
    wireBody: unknown,
    messageBytes: number,
    startedMs: number,
  ): void {
    let body: unknown
    let error: unknown
    try {
      const request = served.api.request.decode(wireBody, version, served.api.requestPath)
      this.#context ??= this.#introduce((request as { clientId: string | null }).clientId)
      body = served.handle(request, this.#context)
    } catch (thrown) {
      error = thrown ?? new Error('a handler threw nothing')
    }
    if (error !== undefined || !isPromise(body)) {
      this.#answer({ served, version, correlationId, startedMs, chargedBytes: 0, body, error })
      return
    }
    const chargedBytes = this.inFlight.charge(messageBytes, this)
    if (this.inFlight.isFull) this.#block(blocked.connection)
    // Each answer spelled out, with its fields in one order: spreading into it was a twentieth of a busy node's time.
    body.then(
      result =>
        this.#finish({ served, version, correlationId, startedMs, chargedBytes, body: result, error: undefined }),
      (thrown: unknown) => {
        const error = thrown ?? new Error()
        this.#finish({ served, version, correlationId, startedMs, chargedBytes, body: null, error })
      },
    )
  }

  #introduce(clientId: string | null): RequestContext {
    return {
      connectionId: this.id,
      principal: 'anonymous',
      clientId,
      listener: this.#core.listenerName,
      remote: this.remote,
      signal: this.#gone.signal,
    }
  }

  /** A promised answer came. Behind answers that wait for the reader it waits too. */
  #finish(answer: Answer): void {
    if (!this.#isClosed && this.#gate.has(blocked.reader)) {
      this.#held.push(answer)
      return
    }
    if (!this.#isClosed) this.#answer(answer)
    else if (answer.error !== undefined) reportFailure(this.#core, this.remote, answer.served, answer.error)
    else this.#memory.hold(answer.body, true)
    this.#settle(answer)
  }

  #answer(answer: Answer): void {
    const frame = encodeAnswer(this.#core, this.remote, answer)
    if (frame !== null) this.#send(frame)
    this.#memory.hold(answer.body, this.#isClosed || !this.#gate.has(blocked.reader))
  }

  #send(frame: readonly Uint8Array[]): void {
    this.#core.stats.bytesOut += sizeOfParts(frame)
    if (frame.length > 1 && this.#socket.sendParts !== undefined) this.#socket.sendParts(frame)
    else this.#socket.send(joinBytes(frame))
    const { bufferedBytes } = this.#socket
    if (bufferedBytes <= bufferMarks.highBytes) return
    if (bufferedBytes > this.#core.limits.bufferedBytesMax) {
      this.#close('slow-reader', closeCode.slowReader, 'too many bytes of answers are unread')
      return
    }
    this.#reader.gave(this.#core.clock.nowMs(), bufferedBytes, this.#gate.has(blocked.reader))
    this.#block(blocked.reader)
  }

  /** The request is answered, or nobody waits for its answer any more. */
  #settle({ chargedBytes }: Answer): void {
    this.inFlight.discharge(chargedBytes)
    if (this.inFlight.hasRoom) this.#unblock(blocked.connection)
    this.#maybeFinishDraining()
  }

  #block(reason: number): void {
    if (!this.#isClosed) this.#gate.shut(reason)
  }

  #unblock(reason: number): void {
    if (this.#isClosed || !this.#gate.has(reason)) return
    this.#gate.lift(reason)
    if (reason === blocked.reader) this.#memory.release()
    while (this.#held.length > 0 && !this.#gate.has(blocked.reader) && !this.#isClosed) {
      const answer = this.#held.shift()!
      this.#answer(answer)
      this.#settle(answer)
    }
    while (this.#arrived.length > 0 && this.#gate.isOpen && !this.#isClosed) this.#start(this.#arrived.shift()!)
    if (!this.#isClosed) this.#gate.resume()
  }

  #maybeFinishDraining(): void {
    if (this.#isClosed || !this.#gate.has(blocked.draining) || this.inFlight.requests > 0) return
    this.#close('shutdown', closeCode.goingAway, 'the node is shutting down')
  }

  #close(cause: CloseCause, code: number, reason: string): void {
    if (this.#isClosed) return
    this.#core.stats.closedBy[cause]++
    this.#core.logger.debug({ remote: this.remote, connection: this.id, cause, reason }, 'closing a connection')
    this.#letGo()
    // RFC 6455 gives the reason 123 bytes; ours are ASCII.
    this.#socket.close(code, reason.slice(0, 120))
  }

  #onClose(): void {
    this.#letGo()
    this.#core.stats.connections--
    this.#onGone(this)
  }

  /** From here on nobody is there to be answered: waiting handlers hear it, answers that were held are dropped. */
  #letGo(): void {
    this.#isClosed = true
    this.#core.budget.leave(this)
    this.#arrived = []
    for (const answer of this.#held.splice(0)) {
      this.#memory.hold(answer.body, false)
      this.#settle(answer)
    }
    this.#memory.release()
    this.#gone.abort()
  }
}
