/** Connections over a socket factory: what every client uses unless a test hands it something else. */
import { openConnection } from '../transport/client-connection.ts'
import { MiB } from '../util/units.ts'
import { version } from '../util/version.ts'
import type { Connect } from './connection.ts'
import type { ClientOptions, WithPorts } from './options.ts'
import { resolveClient } from './options.ts'

/** Above what a producer keeps in flight by its own limits, so that those decide. */
const inFlightBytesMax = 128 * MiB

export function socketConnect(options: WithPorts<ClientOptions>): Connect {
  const { socketFactory, clock, clientId, connectTimeoutMs, requestTimeoutMs } = resolveClient(options)
  const software = `millrace ${version}`
  return (url, signal) =>
    openConnection(url, {
      socketFactory,
      clock,
      clientId,
      software,
      connectTimeoutMs,
      requestTimeoutMs,
      inFlightBytesMax,
      signal,
    })
}
