/**
 * What every client class is configured with. The entries (`src/index.ts`, `src/browser.ts`) fill in the ports; the
 * classes here are handed all of them and touch neither a clock nor a socket of their own.
 */

import type { Codecs } from '../protocol/batch/types.ts'
import { limits } from '../protocol/common.ts'
import type { SocketFactory } from '../transport/socket.ts'
import type { Clock } from '../util/clock.ts'
import { ConfigError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { Random } from '../util/random.ts'
import { minuteMs, secondMs } from '../util/units.ts'

/**
 * After this long an answer is late: whoever waits for it looks elsewhere as well, without giving up on it. Well above
 * what a healthy node needs, well below what it takes a cluster to replace one that stands still.
 */
export const answerLateMs = 500

/** What differs between Node, a browser and a simulation. */
export interface ClientPorts {
  readonly socketFactory: SocketFactory
  readonly codecs: Codecs
  /** Its timers should keep a process alive: what a caller awaits must not end with the process. */
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Options that producer, consumer and admin share. Every number has a default. */
export interface ClientOptions {
  /** URLs of some nodes, `ws://host:port`; the rest of the cluster is found through them. Text may list several, with commas. */
  readonly bootstrap: string | readonly string[]
  /** Name for the nodes' logs and quotas, at most 255 characters. Default `millrace`. */
  readonly clientId?: string | undefined
  /** How long one attempt to connect may take. Default 5,000. */
  readonly connectTimeoutMs?: number | undefined
  /** How long one request may take before it is tried again. Default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** How long a first connection, or a topic that nobody knows, is tried before it is an error. Default 5,000. */
  readonly metadataTimeoutMs?: number | undefined
  /** After this long the view of the cluster is fetched again even if nothing failed. Default 60,000. */
  readonly metadataMaxAgeMs?: number | undefined
  /** Delay before a first retry; doubles with each. Default 100. */
  readonly retryBackoffMs?: number | undefined
  /** Longest delay between retries. Default 1,000. */
  readonly retryBackoffMsMax?: number | undefined
  readonly socketFactory?: SocketFactory | undefined
  readonly codecs?: Codecs | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly logger?: Logger | undefined
}

/** `Options` with nothing left to be filled in by an entry. */
export type WithPorts<Options extends ClientOptions> = Omit<Options, keyof ClientPorts> & ClientPorts

/** The shared options, checked and complete. */
export interface ClientSettings extends ClientPorts {
  readonly bootstrap: readonly string[]
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly metadataTimeoutMs: number
  readonly metadataMaxAgeMs: number
  readonly backoffMs: number
  readonly backoffMsMax: number
}

export function resolveClient(options: WithPorts<ClientOptions>): ClientSettings {
  const clientId = options.clientId ?? 'millrace'
  if (typeof clientId !== 'string' || clientId.length > limits.clientIdLength) {
    throw new ConfigError('clientId', `clientId: expected a string of at most ${limits.clientIdLength} characters`)
  }
  const { socketFactory, codecs, clock, random, logger } = options
  const retryBackoffMs = integer('retryBackoffMs', options.retryBackoffMs, 100, 1)
  return {
    bootstrap: bootstrapUrls(options.bootstrap),
    clientId,
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 5 * secondMs, 1),
    requestTimeoutMs: integer('requestTimeoutMs', options.requestTimeoutMs, 30 * secondMs, 1),
    metadataTimeoutMs: integer('metadataTimeoutMs', options.metadataTimeoutMs, 5 * secondMs, 0),
    metadataMaxAgeMs: integer('metadataMaxAgeMs', options.metadataMaxAgeMs, minuteMs, 1),
    backoffMs: retryBackoffMs,
    backoffMsMax: integer(
      'retryBackoffMsMax',
      options.retryBackoffMsMax,
      Math.max(secondMs, retryBackoffMs),
      retryBackoffMs,
    ),
    socketFactory,
    codecs,
    clock,
    random,
    logger,
  }
}

/** An integer option in [min, 2^31), or its default. Throws `ConfigError`. */
export function integer(key: string, value: number | undefined, byDefault: number, min: number): number {
  if (value === undefined) return byDefault
  if (!Number.isSafeInteger(value) || value < min || value > 0x7fff_ffff) {
    throw new ConfigError(key, `${key}: expected an integer from ${min} to 2147483647, found ${String(value)}`)
  }
  return value
}

/** One of a closed list, or its default. Throws `ConfigError`. */
export function oneOf<T extends string | number>(
  key: string,
  value: T | undefined,
  byDefault: T,
  all: readonly T[],
): T {
  if (value === undefined) return byDefault
  if (!all.includes(value))
    throw new ConfigError(key, `${key}: expected one of ${all.join(', ')}, found ${String(value)}`)
  return value
}

function bootstrapUrls(bootstrap: string | readonly string[]): readonly string[] {
  const parts = typeof bootstrap === 'string' ? bootstrap.split(',') : bootstrap
  const urls = Array.isArray(parts) ? parts.map(url => normalUrl(String(url))).filter(url => url !== '') : []
  if (urls.length === 0) throw new ConfigError('bootstrap', 'bootstrap: expected at least one ws:// or wss:// URL')
  for (const url of urls) {
    if (!/^wss?:\/\/[^/\s]+/.test(url)) {
      throw new ConfigError('bootstrap', `bootstrap: expected a ws:// or wss:// URL, found '${url}'`)
    }
  }
  return [...new Set(urls)]
}

/** So that a node named in two ways that mean the same gets one connection. */
export function normalUrl(url: string): string {
  const trimmed = url.trim()
  return trimmed.endsWith('/') ? trimmed.slice(0, -1) : trimmed
}

/** `options` with `ports` wherever they name none. */
export function withPorts<Options extends ClientOptions>(options: Options, ports: ClientPorts): WithPorts<Options> {
  return {
    ...options,
    socketFactory: options.socketFactory ?? ports.socketFactory,
    codecs: options.codecs ?? ports.codecs,
    clock: options.clock ?? ports.clock,
    random: options.random ?? ports.random,
    logger: options.logger ?? ports.logger,
  }
}
