/**
 * Who may speak to the HTTP port at all, upgrade or not. Loopback is no wall: a web page reaches it from any browser on
 * the machine, directly (cross-origin WebSockets are not stopped by CORS) or by DNS rebinding. So `Host` must be a name
 * of this node, and an `Origin` must be this node's own or allowed by name (FAULTS 4.2, OWASP ASVS 4.4.2).
 */
import type { IncomingHttpHeaders } from 'node:http'

export interface AccessRules {
  /** Hosts of `advertised.listeners` and of the addresses listened on; loopback names are always ours. */
  readonly ownHosts: readonly string[]
  /** `allowed.hosts`: further names, for a proxy in front. */
  readonly allowedHosts: readonly string[]
  /** `allowed.origins`: exact, scheme, host and port: `https://console.example:8443`. */
  readonly allowedOrigins: readonly string[]
}

export interface Refusal {
  readonly status: 400 | 403
  readonly error: string
}

/** `null`: welcome. */
export type AccessCheck = (headers: IncomingHttpHeaders) => Refusal | null

export function createAccessCheck(rules: AccessRules): AccessCheck {
  const hosts = new Set([...rules.ownHosts, ...rules.allowedHosts].map(normalise))
  const origins = new Set(rules.allowedOrigins.map(origin => origin.toLowerCase()))
  return headers => {
    const host = headers.host
    const hostname = host === undefined ? null : hostnameOf(host)
    if (hostname === null) return { status: 400, error: 'The Host header is missing or malformed.' }
    if (!isLoopback(hostname) && !hosts.has(hostname)) {
      return { status: 403, error: 'This node does not answer to that Host; see allowed.hosts.' }
    }
    const origin = (headers.origin ?? headers['sec-websocket-origin'])?.toString().toLowerCase()
    if (origin === undefined || origins.has(origin)) return null
    // Same origin: the page came from the very host and port that it now talks to.
    if (origin === `http://${host!.toLowerCase()}` || origin === `https://${host!.toLowerCase()}`) return null
    return { status: 403, error: 'Requests from that Origin are refused; see allowed.origins.' }
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '::1' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

/** `example.com:9292`, `127.0.0.1`, `[::1]:9292`. The port is not compared: ports are mapped, names are what rebinding abuses. */
function hostnameOf(host: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(host)
  return match === null ? null : normalise(match[1]!)
}

function normalise(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
}
