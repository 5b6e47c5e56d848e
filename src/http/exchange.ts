/** One request of the REST interface and what it holds, from its head to the end of its answer. */
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../broker/gateway/record-gateway.ts'
import { ApiError } from '../protocol/errors.ts'
import { AbortError } from '../util/errors.ts'
import type { RouteStats } from './http-stats.ts'
import type { RequestMemory } from './request-memory.ts'

/** What a request costs beside its body: its objects, and a place in what it waits for. */
const overheadBytes = 1_024

/** Made once: what it costs to make an error has to be paid by no request. */
const clientGone = new AbortError('the client has gone')

export interface ExchangeLimits {
  /** Of a body. */
  readonly bodyBytesMax: number
}

export class Exchange implements Caller {
  readonly request: IncomingMessage
  readonly params: Readonly<Record<string, string>>
  /** Of the URL's query. */
  readonly query: URLSearchParams
  readonly #memory: RequestMemory
  readonly #stats: RouteStats
  readonly #limits: ExchangeLimits
  /** Made when somebody asks: most requests are answered without waiting for anything. */
  #gone: AbortController | null = null
  #heldBytes = 0
  #isOver = false

  constructor(
    request: IncomingMessage,
    params: Readonly<Record<string, string>>,
    memory: RequestMemory,
    stats: RouteStats,
    limits: ExchangeLimits,
  ) {
    this.request = request
    this.params = params
    this.query = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '')
    this.#memory = memory
    this.#stats = stats
    this.#limits = limits
  }

  get remote(): string {
    return this.request.socket.remoteAddress ?? ''
  }

  /** Aborts when nobody is there to be answered. */
  get signal(): AbortSignal {
    if (this.#gone === null) {
      this.#gone = new AbortController()
      if (this.#isOver) this.#gone.abort(clientGone)
    }
    return this.#gone.signal
  }

  /** Counts until the answer has left. Throws `ApiError` `BROKER_OVERLOADED` when there is no room. */
  hold(bytes: number): void {
    // Nobody waits for it: it is dropped before anybody could hold it.
    if (this.#isOver) return
    if (!this.#memory.take(bytes)) {
      throw new ApiError('BROKER_OVERLOADED', 'The requests under way hold as many bytes as they may; try again soon.')
    }
    this.#heldBytes += bytes
  }

  begin(): void {
    this.hold(overheadBytes)
  }

  /** The whole body. Rejects with `ApiError`: `MESSAGE_TOO_LARGE`, `BROKER_OVERLOADED`, `NETWORK_EXCEPTION` when it ends early. */
  body(): Promise<Buffer> {
    const { request } = this
    const { bodyBytesMax } = this.#limits
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let bytes = 0
      const refuse = (error: Error): void => {
        // What else comes is read and dropped, so that the sender gets to the answer.
        request.removeListener('data', onData)
        request.resume()
        reject(error)
      }
      const tooLarge = (): void =>
        refuse(new ApiError('MESSAGE_TOO_LARGE', `The body is larger than http.request.max.bytes, ${bodyBytesMax}.`))
      const onData = (chunk: Buffer): void => {
        bytes += chunk.length
        this.#stats.bytesIn += chunk.length
        if (bytes > bodyBytesMax) {
          tooLarge()
          return
        }
        try {
          this.hold(chunk.length)
          chunks.push(chunk)
        } catch (error) {
          refuse(error as Error)
        }
      }
      if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) {
        tooLarge()
        return
      }
      request.on('data', onData)
      request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)))
      request.on('close', () => {
        if (!request.complete) reject(new ApiError('NETWORK_EXCEPTION', 'The connection closed within the body.'))
      })
    })
  }

  /** The answer has been taken whole, or nobody is there to take it. */
  end(): void {
    this.#isOver = true
    this.#gone?.abort(clientGone)
    this.#memory.release(this.#heldBytes)
    this.#heldBytes = 0
  }
}
