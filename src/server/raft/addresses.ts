/** Where a member listens and where the others find it, out of its options. */
import { ConfigError } from '../../util/errors.ts'
import { type NodeId, toNodeId } from '../../util/numbers.ts'
import { isLoopbackHost, isWildcard, type Listener, listenersFault, parseListeners } from '../config/addresses.ts'
import type { RaftOptions } from './types.ts'

export interface RaftAddresses {
  readonly nodeId: NodeId
  readonly voters: ReadonlyMap<NodeId, string>
  readonly listener: Listener
  /** Where the others reach it. */
  readonly url: string
}

/** Throws `ConfigError`. */
export function raftAddresses(options: RaftOptions<unknown>): RaftAddresses {
  const { nodeId, listen, url, allowInsecureListener = false } = options
  checkId('nodeId', nodeId)
  const voters = new Map(
    Object.entries(options.voters).map(([id, address]) => {
      checkId('voters', Number(id))
      parsed('voters', address)
      return [toNodeId(Number(id)), address]
    }),
  )
  if (voters.size === 0) throw new ConfigError('voters', 'voters: expected at least one')
  const own = voters.get(toNodeId(nodeId))
  const listened = listen ?? own ?? url
  if (listened === undefined) throw new ConfigError('listen', `listen: missing, and node ${nodeId} is not in voters`)
  const listener = parsed('listen', listened)
  if (!isLoopbackHost(listener.host) && !allowInsecureListener)
    throw new ConfigError(
      'listen',
      `listen: ${listened} is not loopback, and members do not authenticate each other; set allowInsecureListener if its network is private`,
    )
  const reached = url ?? own ?? listened
  if (isWildcard(parsed('url', reached).host))
    throw new ConfigError('url', `url: nobody can connect to ${reached}; expected an address of this member`)
  return { nodeId: toNodeId(nodeId), voters, listener, url: reached }
}

function checkId(key: string, id: number): void {
  if (!Number.isInteger(id) || id < 1 || id > 0x7fff_ffff)
    throw new ConfigError(key, `${key}: expected ids from 1 to 2147483647, found ${id}`)
}

function parsed(key: string, text: string): Listener {
  const fault = listenersFault([text])
  if (fault !== null) throw new ConfigError(key, `${key}: ${fault}, found ${text}`)
  return parseListeners([text])[0]!
}
