/** Addresses in settings: listeners (`ws://host:port`) and quorum voters (`id@host:port`). */

export interface Listener {
  readonly protocol: 'ws'
  /** As written, IPv6 without brackets; empty text stands for every address. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

export interface Voter {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** Bracketed IPv6, or anything without a colon or a slash. */
const addressPattern = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]*):(\d{1,5})$/

export function listenersFault(parts: readonly string[]): string | null {
  const expected = 'expected ws://host:port'
  if (parts.length > 1) return `${expected}: one listener, more are not available in this version`
  const part = parts[0] ?? ''
  if (part.startsWith('wss://')) return `${expected}: encryption is not available in this version`
  return part.startsWith('ws://') && parseAddress(part.slice(5).replace(/\/$/, '')) !== null ? null : expected
}

export function parseListeners(parts: readonly string[]): Listener[] {
  return parts.map(part => ({ protocol: 'ws', ...parseAddress(part.slice(5).replace(/\/$/, ''))! }))
}

export function votersFault(parts: readonly string[]): string | null {
  const parsed = parts.map(parseVoter)
  if (parsed.includes(null)) return 'expected id@host:port, separated by commas'
  return new Set(parsed.map(voter => voter!.nodeId)).size === parts.length ? null : 'a node id is there twice'
}

export function parseVoters(parts: readonly string[]): Voter[] {
  return parts.map(part => parseVoter(part)!)
}

/** Of the listener's address as clients use it. */
export function listenerUrl(listener: Listener): string {
  const host = listener.host.includes(':') ? `[${listener.host}]` : listener.host
  return `${listener.protocol}://${host}:${listener.port}`
}

/** Every address of the machine: fine to listen on, meaningless to connect to. */
export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || /^[0:]+$/.test(host)
}

/** Only this machine can reach it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function parseVoter(part: string): Voter | null {
  const match = /^(\d{1,10})@(.+)$/.exec(part)
  const address = match === null ? null : parseAddress(match[2]!)
  if (address === null || address.host === '' || address.port === 0) return null
  const nodeId = Number(match![1])
  return nodeId <= 2 ** 31 - 1 ? { nodeId, ...address } : null
}

function parseAddress(text: string): { host: string; port: number } | null {
  const match = addressPattern.exec(text)
  if (match === null) return null
  const port = Number(match[2])
  return port <= 65_535 ? { host: match[1]!.replace(/^\[|\]$/g, ''), port } : null
}
