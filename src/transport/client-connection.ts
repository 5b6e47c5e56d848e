/**
 * One connection from a client's side: opens it with `ApiVersions`, then pipelines requests and matches answers by
 * correlation id. Bounded by `inFlightBytesMax` and the socket's high mark: above them a request waits its turn here,
 * and `whenWritable` tells whoever would rather wait before making one. One timer serves all deadlines.
 */
import type { Api } from '../protocol/api.ts'
import { apiVersions } from '../protocol/apis/api-versions.ts'
import { ApiError, errorName } from '../protocol/errors.ts'
import {
  decodeResponseEnvelope,
  encodeRequest,
  encodeRequestInParts,
  type ResponseEnvelope,
} from '../protocol/frame.ts'
import { responseFrameLimits } from '../protocol/prescan.ts'
import { sizeOfParts } from '../util/bytes.ts'
import { AbortError } from '../util/errors.ts'
import type { Connection, ConnectionOptions, PeerIdentity, RequestOptions, VersionRange } from './connection.ts'
import { DeadlineTimer } from './deadline-timer.ts'
import { type PendingRequest, watchAbort } from './pending-request.ts'
import { bufferMarks, closeCode, type Socket } from './socket.ts'

/**
 * Opens a connection. Rejects with `ApiError` `NETWORK_EXCEPTION` or `REQUEST_TIMED_OUT`, with the node's answer to
 * `ApiVersions` when it is an error, and with `AbortError`.
 */
export async function openConnection(url: string, options: ConnectionOptions): Promise<Connection> {
  const { clock, signal, socketFactory, connectTimeoutMs } = options
  const giveUp = signal === undefined ? {} : { signal }
  const startedMs = clock.nowMs()
  const socket = await socketFactory.connect(url, { timeoutMs: connectTimeoutMs, ...giveUp })
  const connection = new ClientConnection(url, socket, options)
  try {
    const timeoutMs = Math.max(1, connectTimeoutMs - (clock.nowMs() - startedMs))
    await connection.introduce({ timeoutMs, ...giveUp })
  } catch (error) {
    connection.close(error as Error, closeCode.normal, 'no ApiVersions')
    throw error
  }
  return connection
}

class ClientConnection implements Connection {
  readonly url: string
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #timer: DeadlineTimer
  /** Sent and not answered. */
  readonly #sent = new Map<number, PendingRequest>()
  /** In the order of the calls, waiting for room. */
  readonly #unsent: PendingRequest[] = []
  #unsentBytes = 0
  #inFlightBytes = 0
  #lastCorrelationId = 0
  #messagesReceived = 0
  #closedBy: Error | null = null
  readonly #closeListeners: Array<(reason: Error) => void> = []
  #onSocketGone: () => void = () => {}
  readonly #socketGone = new Promise<void>(resolve => {
    this.#onSocketGone = resolve
  })
  #writable: { promise: Promise<void>; resolve: () => void } | null = null
  peer: PeerIdentity = { clusterId: '', nodeId: -1, software: '' }
  versions: ReadonlyMap<number, VersionRange> = new Map([[apiVersions.key, apiVersions]])

  constructor(url: string, socket: Socket, options: ConnectionOptions) {
    this.url = url
    this.#socket = socket
    this.#options = options
    this.#timer = new DeadlineTimer(options.clock, nowMs => this.#expire(nowMs))
    socket.onMessage = message => this.#onMessage(message)
    socket.onDrain = () => this.#pump()
    socket.onClose = (code, reason) => {
      const text = `The connection to ${url} closed (${code}${reason === '' ? '' : `: ${reason}`}).`
      this.close(new ApiError('NETWORK_EXCEPTION', text), code, '')
      this.#onSocketGone()
    }
  }

  get isClosed(): boolean {
    return this.#closedBy !== null
  }

  get bufferedBytes(): number {
    return this.#unsentBytes + this.#socket.bufferedBytes
  }

  async introduce(options: RequestOptions): Promise<void> {
    const { clientId, software } = this.#options
    const answer = await this.request(apiVersions, { clientId, software }, options)
    this.versions = new Map(answer.apis.map(range => [range.apiKey, range]))
    this.peer = { clusterId: answer.clusterId, nodeId: answer.nodeId, software: answer.software }
  }

  request<Q, S>(api: Api<Q, S>, body: Q, options: RequestOptions = {}): Promise<S> {
    // What throws in here rejects.
    return new Promise<S>((resolve, reject) => {
      const { signal } = options
      if (signal?.aborted) throw new AbortError(`${api.name} was given up before it was sent`)
      const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
      const pending = this.#prepare(api, body, timeoutMs, options.isLent ?? false)
      pending.resolve = resolve as (body: unknown) => void
      pending.reject = reject
      if (signal !== undefined) watchAbort(pending, signal, () => this.#giveUp(pending, signal.reason))
      this.#submit(pending)
      if (options.isUrgent === true) this.#socket.flush?.()
    })
  }

  requestNoResponse<Q>(api: Api<Q, unknown>, body: Q): void {
    this.#submit(this.#prepare(api, body, Number.POSITIVE_INFINITY, false))
  }

  whenWritable(): Promise<void> | null {
    if (this.isClosed || (this.#unsent.length === 0 && this.#hasRoom())) return null
    if (this.#writable === null) {
      let resolve = (): void => {}
      const promise = new Promise<void>(done => {
        resolve = done
      })
      this.#writable = { promise, resolve }
    }
    return this.#writable.promise
  }

  onClose(listener: (reason: Error) => void): void {
    if (this.#closedBy === null) this.#closeListeners.push(listener)
    else listener(this.#closedBy)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const text = `The connection to ${this.url} was closed by this client.`
    this.close(new ApiError('NETWORK_EXCEPTION', text), closeCode.normal, '')
    await this.#socketGone
  }

  /** Rejects what is under way with `NETWORK_EXCEPTION` because of `reason`. Idempotent. */
  close(reason: Error, code: number, text: string): void {
    if (this.#closedBy !== null) return
    this.#closedBy = reason
    this.#timer.cancel()
    for (const pending of [...this.#sent.values(), ...this.#unsent]) this.#fail(pending, this.#networkError(reason))
    this.#unsent.length = 0
    this.#unsentBytes = 0
    this.#socket.close(code, text)
    this.#announceWritable()
    for (const listener of this.#closeListeners.splice(0)) listener(reason)
  }

  #networkError(reason: Error): ApiError {
    return new ApiError('NETWORK_EXCEPTION', reason.message, { cause: reason })
  }

  /** Wants no answer yet. */
  #prepare<Q>(api: Api<Q, unknown>, body: Q, timeoutMs: number, isLent: boolean): PendingRequest {
    if (this.#closedBy !== null) throw this.#networkError(this.#closedBy)
    const version = this.#versionOf(api as Api)
    this.#lastCorrelationId = (this.#lastCorrelationId + 1) & 0x7fff_ffff
    const correlationId = this.#lastCorrelationId
    const message =
      isLent && this.#socket.sendParts !== undefined
        ? encodeRequestInParts(api, version, correlationId, body)
        : [encodeRequest(api, version, correlationId, body)]
    return {
      api: api as Api,
      version,
      correlationId,
      timeoutMs,
      deadlineMs: this.#options.clock.nowMs() + timeoutMs,
      sizeBytes: sizeOfParts(message),
      message,
      receivedBefore: 0,
      resolve: null,
      reject: null,
      unwatch: null,
      isSettled: false,
    }
  }

  #versionOf(api: Api): number {
    const served = this.versions.get(api.key)
    const version = Math.min(api.versionMax, served?.versionMax ?? -1)
    if (served !== undefined && version >= api.versionMin && version >= served.versionMin) return version
    throw new ApiError('UNSUPPORTED_VERSION', `The node at ${this.url} serves no version of ${api.name} known here.`)
  }

  #submit(pending: PendingRequest): void {
    if (pending.reject !== null) this.#timer.add(pending.deadlineMs)
    if (this.#unsent.length === 0 && this.#hasRoom()) {
      this.#send(pending)
    } else {
      this.#unsent.push(pending)
      this.#unsentBytes += pending.sizeBytes
    }
  }

  #hasRoom(): boolean {
    return this.#inFlightBytes < this.#options.inFlightBytesMax && this.#socket.bufferedBytes <= bufferMarks.highBytes
  }

  #send(pending: PendingRequest): void {
    const message = pending.message!
    pending.message = null
    if (pending.reject !== null) {
      pending.receivedBefore = this.#messagesReceived
      this.#sent.set(pending.correlationId, pending)
      this.#inFlightBytes += pending.sizeBytes
    }
    if (message.length === 1) this.#socket.send(message[0]!)
    else this.#socket.sendParts!(message)
  }

  /** Sends what waited, as far as there is room. */
  #pump(): void {
    while (this.#unsent.length > 0 && (this.#unsent[0]!.isSettled || this.#hasRoom())) {
      const pending = this.#unsent.shift()!
      this.#unsentBytes -= pending.sizeBytes
      if (!pending.isSettled) this.#send(pending)
    }
    if (this.#writable !== null && this.#unsent.length === 0 && this.#hasRoom()) this.#announceWritable()
  }

  #announceWritable(): void {
    this.#writable?.resolve()
    this.#writable = null
  }

  #onMessage(message: Uint8Array): void {
    if (this.#closedBy !== null) return
    this.#messagesReceived++
    let envelope: ResponseEnvelope
    try {
      envelope = decodeResponseEnvelope(message, responseFrameLimits)
    } catch (error) {
      this.close(error as Error, closeCode.malformedFrame, 'not a response frame')
      return
    }
    const pending = this.#sent.get(envelope.correlationId)
    // The answer to a request that was given up on, or an error for one that wants no answer.
    if (pending === undefined) return
    this.#answer(pending, envelope)
    this.#pump()
  }

  #answer(pending: PendingRequest, { errorCode, body }: ResponseEnvelope): void {
    const failure = errorName(errorCode)
    if (failure !== null) {
      this.#fail(pending, new ApiError(failure, (body as string | null) ?? undefined))
      return
    }
    let response: unknown
    try {
      response = pending.api.response.decode(body, pending.version, pending.api.responsePath)
    } catch (error) {
      this.#fail(pending, error as Error)
      return
    }
    const { resolve } = pending
    if (this.#settle(pending)) resolve?.(response)
  }

  #fail(pending: PendingRequest, error: Error): void {
    const { reject } = pending
    if (this.#settle(pending)) reject?.(error)
  }

  #giveUp(pending: PendingRequest, cause: unknown): void {
    this.#fail(pending, new AbortError(`${pending.api.name} was given up`, { cause }))
    this.#pump()
  }

  /** Returns false when it was settled before. One that was not sent yet stays in its place, to be passed over. */
  #settle(pending: PendingRequest): boolean {
    if (pending.isSettled) return false
    pending.isSettled = true
    pending.resolve = null
    pending.reject = null
    pending.unwatch?.()
    pending.unwatch = null
    if (this.#sent.delete(pending.correlationId)) this.#inFlightBytes -= pending.sizeBytes
    return true
  }

  #expire(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY
    let isDead = false
    for (const pending of [...this.#sent.values(), ...this.#unsent]) {
      if (pending.isSettled) continue
      if (pending.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, pending.deadlineMs)
        continue
      }
      const wasSent = pending.message === null
      // Not a word in the time a whole request may take: behind a connection like this nobody is left (half-open TCP).
      isDead ||=
        wasSent &&
        pending.receivedBefore === this.#messagesReceived &&
        pending.timeoutMs >= this.#options.requestTimeoutMs
      const text = `${pending.api.name} was not answered by ${this.url} within ${Math.round(pending.timeoutMs)} ms.`
      this.#fail(pending, new ApiError('REQUEST_TIMED_OUT', text))
    }
    if (isDead) {
      const reason = new ApiError('NETWORK_EXCEPTION', `The node at ${this.url} has fallen silent.`)
      this.close(reason, closeCode.normal, 'no answer in time')
      this.#socket.terminate()
      return Number.POSITIVE_INFINITY
    }
    this.#pump()
    return nextMs
  }
}
