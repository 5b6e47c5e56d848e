/** Puts a member together: directory, storage, port, network, quorum, in this order; a stop goes the other way. */
import { systemClock } from '../../platform/clock.ts'
import { installFastCrc32c } from '../../platform/crc32c.ts'
import { createAccessCheck } from '../../platform/http-access.ts'
import { systemRandom } from '../../platform/random.ts'
import { wsSocketFactory } from '../../platform/ws-client.ts'
import { openWsServer, type WsServer } from '../../platform/ws-server.ts'
import { limits } from '../../protocol/common.ts'
import { openPeerNetwork, peerListenerLimits } from '../../quorum/network/peer-network.ts'
import { openQuorum } from '../../quorum/open-quorum.ts'
import type { QuorumOptions } from '../../quorum/options.ts'
import type { Quorum } from '../../quorum/types.ts'
import type { RaftStorage } from '../../raft/storage.ts'
import { openListener } from '../../transport/listener.ts'
import type { Socket, SocketFactory } from '../../transport/socket.ts'
import { Disposables } from '../../util/disposables.ts'
import { ConfigError } from '../../util/errors.ts'
import type { Logger } from '../../util/logger.ts'
import { uuidBytes, uuidFrom } from '../../util/uuid.ts'
import { version } from '../../util/version.ts'
import { openDataDirectory } from '../data-directory.ts'
import { endProcess } from '../fatal.ts'
import { openLogger } from '../logger.ts'
import { type RaftAddresses, raftAddresses } from './addresses.ts'
import { AnsweringMachine } from './answers.ts'
import { proposalCodec } from './codec.ts'
import { RaftMember, readIndexHandler } from './member.ts'
import type { Raft, RaftOptions } from './types.ts'

/** What measurements set. */
export interface RaftPorts {
  readonly sockets?: SocketFactory
  readonly limits?: NonNullable<QuorumOptions['limits']>
}

const storageDeadlineMs = 30_000
const connectionsMax = 1_000

export async function openRaft<Result>(options: RaftOptions<Result>, ports: RaftPorts = {}): Promise<Raft<Result>> {
  const addresses = raftAddresses(options)
  const logger = options.logger ?? (await openLogger('warn'))
  const onFatal = options.onFatal ?? endProcess
  installFastCrc32c()
  const owned = new Disposables()
  try {
    const storage = await openStorage(options, owned, logger)
    const { nodeId, url, voters } = addresses
    const common = { clock: systemClock, random: systemRandom, logger }
    const socketFactory = ports.sockets ?? wsSocketFactory()
    const network = openPeerNetwork({ nodeId, socketFactory, ...common })
    let quorum: Quorum | null = null
    const listener = openListener({
      name: 'CONTROLLER',
      handlers: [...network.handlers, readIndexHandler(() => quorum)],
      identity: () => ({ clusterId: quorum?.status().clusterId ?? '', nodeId, software: `millrace ${version}` }),
      clock: systemClock,
      logger,
      limits: peerListenerLimits(),
      onFatal,
    })
    const ws = await listen(addresses, logger, socket => listener.accept(socket))
    owned.defer(() => ws.close())
    owned.defer(() => listener.close(0))
    owned.use(network)
    const codec = proposalCodec(options)
    const answering = new AnsweringMachine(codec.machine)
    quorum = owned.use(
      await openQuorum({
        nodeId,
        storage,
        voters,
        url,
        stateMachine: answering,
        peers: network,
        ...common,
        ...(options.timing === undefined ? {} : { timing: options.timing }),
        ...(options.snapshots === undefined ? {} : { snapshots: options.snapshots }),
        ...(ports.limits === undefined ? {} : { limits: ports.limits }),
        onFatal,
      }),
    )
    return new RaftMember({ addresses, quorum, network, codec, answering, clock: systemClock, owned })
  } catch (error) {
    await owned.dispose()
    throw error
  }
}

async function openStorage(
  { nodeId, dataDir, inMemory = false }: RaftOptions<unknown>,
  owned: Disposables,
  logger: Logger,
): Promise<RaftStorage> {
  if (inMemory !== (dataDir === undefined))
    throw new ConfigError('dataDir', 'dataDir: expected a directory, or inMemory, and not both')
  if (dataDir === undefined) {
    const { MemoryStorageImage, memoryStorage } = await import('../../raft-storage/memory-storage.ts')
    return owned.use(memoryStorage(new MemoryStorageImage(uuidFrom(systemRandom.nextBytes(uuidBytes)))))
  }
  const directory = owned.use(await openDataDirectory({ path: dataDir, nodeId }))
  const { openLmdbStorage } = await import('../../raft-storage/lmdb-storage.ts')
  const path = directory.raftPath
  return owned.use(await openLmdbStorage({ path, nodeId, deadlineMs: storageDeadlineMs, logger }))
}

async function listen(
  { listener, url }: RaftAddresses,
  logger: Logger,
  onSocket: (socket: Socket) => { readonly isEstablished: boolean },
): Promise<WsServer> {
  const { host, port } = listener
  const ownHosts = [host, new URL(url).hostname.replace(/^\[|\]$/g, '')]
  try {
    return await openWsServer({
      host: host === '' ? '::' : host,
      port,
      access: createAccessCheck({ ownHosts, allowedHosts: [], allowedOrigins: [] }),
      // The largest message there is: an append with one large entry, a piece of a snapshot.
      messageBytesMax: limits.frameBytes,
      connectionsMax,
      connectionsPerIpMax: connectionsMax,
      onSocket,
      logger,
    })
  } catch (error) {
    const message = `listen: cannot listen on ${host}:${port}: ${(error as Error).message}`
    throw new ConfigError('listen', message, { cause: error })
  }
}
