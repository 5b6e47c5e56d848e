/**
 * The HTTP side of a node: which route answers, and that each request is answered once, counted and bounded. `Host` and
 * `Origin` were checked before a request gets here: an `Origin` that is seen here is the node's own or an allowed one.
 * Errors are JSON, `{ "error": "…", "message": "…" }`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ApiError, errorTable, type Failure } from '../protocol/errors.ts'
import type { Logger } from '../util/logger.ts'
import { Exchange } from './exchange.ts'
import { HttpStats, type RouteStats } from './http-stats.ts'
import { RequestMemory } from './request-memory.ts'
import { errorBody, statusOf } from './statuses.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export type Route = () => HttpAnswer | Promise<HttpAnswer>

/** Of the REST interface: bounded in memory, and for pages of allowed origins. */
export type RestRoute = (exchange: Exchange) => HttpAnswer | Promise<HttpAnswer>

export interface RestSpec {
  /** For metrics. */
  readonly name: string
  readonly method: 'GET' | 'POST'
  /** `/v1/topics/:topic/records` */
  readonly path: string
  readonly handle: RestRoute
}

export interface RestLimits {
  /** `http.request.max.bytes` */
  readonly bodyBytesMax: number
  /** `http.queued.max.bytes` */
  readonly heldBytesMax: number
  /** `slow.reader.timeout.ms` */
  readonly slowReaderTimeoutMs: number
}

export interface Rest extends RestLimits {
  readonly routes: readonly RestSpec[]
}

export interface RouterOptions {
  /** By path; GET and HEAD. */
  readonly routes: ReadonlyMap<string, Route>
  readonly rest?: Rest
  /** Before the REST interface is there, its paths are not unknown. */
  readonly isStarting?: boolean
  readonly stats?: HttpStats
  readonly logger: Logger
}

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Requests of one connection that are not answered yet; who sends more ahead is cut off. */
const pipelinedMax = 16

/** Counted as nginx does. */
const clientGone = 499

const noRest: Rest = { routes: [], bodyBytesMax: 0, heldBytesMax: 0, slowReaderTimeoutMs: 30_000 }

export function createRouter(options: RouterOptions): RequestHandler {
  const router = new Router(options)
  return (request, response) => router.onRequest(request, response)
}

class Router {
  readonly #routes: ReadonlyMap<string, Route>
  readonly #rest: Rest
  readonly #isStarting: boolean
  readonly #paths: ReadonlyArray<{ readonly segments: readonly string[]; readonly spec: RestSpec }>
  readonly #stats: HttpStats
  readonly #memory: RequestMemory
  readonly #logger: Logger
  readonly #underWay = new WeakMap<Socket, Set<Reply>>()

  constructor({ routes, rest = noRest, isStarting = false, stats = new HttpStats(), logger }: RouterOptions) {
    this.#routes = routes
    this.#rest = rest
    this.#isStarting = isStarting
    this.#paths = rest.routes.map(spec => ({ segments: spec.path.split('/'), spec }))
    this.#stats = stats
    this.#memory = new RequestMemory(rest.heldBytesMax, stats)
    this.#logger = logger
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    const underWay = this.#on(request.socket)
    if (underWay.size >= pipelinedMax) {
      this.#stats.refused.pipelining++
      request.socket.destroy()
      return
    }
    const path = (request.url ?? '/').split('?', 1)[0]!
    const route = this.#routes.get(path)
    const found = route === undefined ? this.#match(path) : []
    const hit = found.find(({ spec }) => spec.method === request.method)
    const name = route === undefined ? ((hit ?? found[0])?.spec.name ?? 'none') : path.slice(1)
    const reply = new Reply(request, response, this.#stats.route(name))
    this.#begun(reply, underWay)
    if (route !== undefined) this.#plain(reply, route)
    else if (found.length > 0) this.#restful(reply, found, hit)
    else {
      request.resume()
      reply.send(failureAnswer(this.#isStarting && path.startsWith('/v1/') ? starting : nothingHere))
    }
  }

  /** What is not answered yet on a connection. When it closes, Node tells only the first of several answers. */
  #on(socket: Socket): Set<Reply> {
    let underWay = this.#underWay.get(socket)
    if (underWay === undefined) {
      const replies = new Set<Reply>()
      socket.on('close', () => {
        for (const reply of replies) reply.end()
      })
      this.#underWay.set(socket, replies)
      underWay = replies
    }
    return underWay
  }

  #begun(reply: Reply, underWay: Set<Reply>): void {
    underWay.add(reply)
    this.#stats.inFlight++
    reply.onEnd(() => {
      underWay.delete(reply)
      if (--this.#stats.inFlight === 0) this.#stats.onIdle()
    })
  }

  #plain(reply: Reply, route: Route): void {
    const { method } = reply.request
    if (method === 'GET' || method === 'HEAD') void this.#answer(reply, route)
    else refuseMethod(reply, 'GET, HEAD')
  }

  #match(path: string): readonly Match[] {
    const parts = path.split('/')
    const found: Match[] = []
    for (const { segments, spec } of this.#paths) {
      const params = matched(segments, parts)
      if (params !== null) found.push({ spec, params })
    }
    return found
  }

  #restful(reply: Reply, found: readonly Match[], hit: Match | undefined): void {
    const { request, response } = reply
    const { origin } = request.headers
    if (origin !== undefined) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('vary', 'origin')
    }
    const methods = found.map(({ spec }) => spec.method).join(', ')
    if (hit !== undefined) this.#admit(reply, hit)
    else if (request.method === 'OPTIONS' && origin !== undefined) preflight(reply, methods)
    else refuseMethod(reply, methods)
  }

  #admit(reply: Reply, hit: Match): void {
    const begin = (): void => this.#begin(reply, hit)
    const turn = this.#memory.enter(begin)
    if (turn === 'now') begin()
    else if (turn === 'later') reply.onEnd(() => this.#memory.leave(begin))
    else {
      this.#stats.refused.overload++
      reply.request.resume()
      reply.send(failureAnswer({ error: 'BROKER_OVERLOADED', message: errorTable.BROKER_OVERLOADED.message }))
    }
  }

  #begin(reply: Reply, { spec, params }: Match): void {
    void this.#answer(reply, () => {
      const { request, stats } = reply
      const exchange = new Exchange(request, decoded(params), this.#memory, stats, this.#rest)
      reply.begin(exchange)
      return spec.handle(exchange)
    })
  }

  /** Never rejects. */
  async #answer(reply: Reply, route: Route): Promise<void> {
    let answer: HttpAnswer
    try {
      answer = await route()
      reply.hold(answer.body.length)
    } catch (error) {
      answer = this.#failed(reply, error)
    }
    reply.send(answer)
    this.#watch(reply.response)
  }

  #failed({ request, response }: Reply, error: unknown): HttpAnswer {
    // A body that nobody will look at is read and dropped, so that its sender gets to the answer.
    request.resume()
    if (error instanceof ApiError) {
      if (error.code === 'BROKER_OVERLOADED') this.#stats.refused.overload++
      return failureAnswer({ error: error.code, message: error.message })
    }
    if (!response.destroyed) this.#logger.error({ err: error, url: request.url }, 'an HTTP request failed unexpectedly')
    const { message } = errorTable.UNKNOWN_SERVER_ERROR
    return failureAnswer({ error: 'UNKNOWN_SERVER_ERROR', message })
  }

  /** An answer that is not taken is not kept for ever; one that is taken slowly only as long as nobody waits for its memory. */
  #watch(response: ServerResponse): void {
    if (response.writableLength === 0 || response.destroyed) return
    const { slowReaderTimeoutMs } = this.#rest
    const giveUp = (): void => {
      if (response.destroyed) return
      this.#stats.refused['slow-reader']++
      response.destroy()
    }
    response.setTimeout(slowReaderTimeoutMs, giveUp)
    const timer = setInterval(() => {
      if (this.#memory.isShort) giveUp()
    }, slowReaderTimeoutMs)
    timer.unref()
    response.once('close', () => clearInterval(timer))
  }
}

interface Match {
  readonly spec: RestSpec
  readonly params: Record<string, string>
}

/** One request to be answered, once. */
class Reply {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly stats: RouteStats
  readonly #startMs = performance.now()
  readonly #onEnd: Array<() => void> = []
  #exchange: Exchange | null = null
  #isOver = false

  constructor(request: IncomingMessage, response: ServerResponse, stats: RouteStats) {
    this.request = request
    this.response = response
    this.stats = stats
    response.on('close', () => this.end())
  }

  /** Called once, when the answer has been taken or nobody is there any more to take it. */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const listener of this.#onEnd) listener()
  }

  /** Throws as `Exchange.hold`. */
  begin(exchange: Exchange): void {
    this.#exchange = exchange
    this.onEnd(() => exchange.end())
    exchange.begin()
  }

  hold(bytes: number): void {
    this.#exchange?.hold(bytes)
  }

  send({ status, contentType, body, headers }: HttpAnswer): void {
    const { request, response, stats } = this
    // Who went away meanwhile gets no answer, and is no error of anybody's.
    stats.count(this.#isOver ? clientGone : status, performance.now() - this.#startMs)
    if (this.#isOver || response.destroyed) return
    const bytes = Buffer.byteLength(body)
    stats.bytesOut += bytes
    const all: Record<string, string | number> = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
    if (status !== 204) {
      all['content-type'] = contentType
      all['content-length'] = bytes
    }
    response.writeHead(status, headers === undefined ? all : { ...all, ...headers })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
}

export function jsonAnswer(status: number, body: unknown): HttpAnswer {
  return { status, contentType: jsonType, body: `${JSON.stringify(body)}\n` }
}

export const jsonType = 'application/json; charset=utf-8'

/** `status`: another one than the error has. */
export function failureAnswer(failure: Failure, status: number = statusOf(failure.error)): HttpAnswer {
  const answer = jsonAnswer(status, errorBody(failure))
  return status === 503 || status === 429 ? { ...answer, headers: { 'retry-after': '1' } } : answer
}

const starting: Failure = { error: 'REPLICA_NOT_AVAILABLE', message: 'This node is starting.' }
const nothingHere: Failure = { error: 'RESOURCE_NOT_FOUND', message: 'There is nothing here.' }

function refuseMethod(reply: Reply, methods: string): void {
  reply.response.setHeader('allow', methods)
  // The body of such a request is nobody's business: it is not read, and the connection ends.
  reply.response.setHeader('connection', 'close')
  reply.send(failureAnswer({ error: 'INVALID_REQUEST', message: `Only ${methods} is served here.` }, 405))
}

/** What a browser asks before a page of another origin may post JSON (Fetch standard, section 3.2). */
function preflight(reply: Reply, methods: string): void {
  reply.send({
    status: 204,
    contentType: jsonType,
    body: '',
    headers: {
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'content-type',
      'access-control-max-age': '600',
    },
  })
}

/** The parts that stand for parameters, by name; `null` if it is another path. */
function matched(segments: readonly string[], parts: readonly string[]): Record<string, string> | null {
  if (segments.length !== parts.length) return null
  for (let at = 0; at < segments.length; at++) {
    if (segments[at] !== parts[at] && !segments[at]!.startsWith(':')) return null
  }
  const params: Record<string, string> = {}
  for (let at = 0; at < segments.length; at++) {
    const segment = segments[at]!
    if (segment.startsWith(':')) params[segment.slice(1)] = parts[at]!
  }
  return params
}

function decoded(params: Record<string, string>): Record<string, string> {
  const whole: Record<string, string> = {}
  for (const name in params) whole[name] = params[name]!.includes('%') ? decodedPart(params[name]!) : params[name]!
  return whole
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new ApiError('INVALID_REQUEST', 'The path is not percent-encoded UTF-8.')
  }
}
