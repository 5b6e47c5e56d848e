/**
 * The HTTP side of a node: health and metrics. `Host` and `Origin` were checked before a request gets here, and no CORS
 * header is ever sent. Errors are JSON, `{ "error": "…" }`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '../util/logger.ts'

export interface HttpAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export type Route = () => HttpAnswer | Promise<HttpAnswer>

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Routes by exact path. GET and HEAD only; more methods come with the REST interface. */
export function createRouter(routes: ReadonlyMap<string, Route>, logger: Logger): RequestHandler {
  return (request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0]!
    const route = routes.get(path)
    if (route === undefined) {
      send(request, response, jsonAnswer(404, { error: 'There is nothing here.' }))
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      // The body of such a request is nobody's business: it is not read, and the connection ends.
      response.setHeader('connection', 'close')
      send(request, response, jsonAnswer(405, { error: 'Only GET and HEAD are served here.' }))
    } else {
      answer(route).then(
        result => send(request, response, result),
        (error: unknown) => {
          logger.error({ err: error, path }, 'an HTTP request failed unexpectedly')
          send(request, response, jsonAnswer(500, { error: 'The server met an error it did not expect.' }))
        },
      )
    }
  }
}

export function jsonAnswer(status: number, body: unknown): HttpAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` }
}

async function answer(route: Route): Promise<HttpAnswer> {
  return await route()
}

function send(request: IncomingMessage, response: ServerResponse, { status, contentType, body }: HttpAnswer): void {
  // A peer that went away meanwhile is no error.
  if (response.destroyed || response.headersSent) return
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
