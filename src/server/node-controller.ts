/**
 * This node's member of the controller quorum, and its way to the others. The listener for other nodes is open from the
 * first moment: a quorum that nobody can talk to never gets a leader.
 */
import { peerHandlersWhenOpen } from '../broker/handlers/peer.ts'
import { controllerHandlers } from '../controller/handlers.ts'
import { openController } from '../controller/open-controller.ts'
import type { Controller } from '../controller/types.ts'
import { openQuorum } from '../quorum/open-quorum.ts'
import { noPeers } from '../quorum/peer-port.ts'
import type { Quorum } from '../quorum/types.ts'
import type { Handler } from '../transport/handler.ts'
import { Disposables } from '../util/disposables.ts'
import { ConfigError } from '../util/errors.ts'
import { version } from '../util/version.ts'
import type { NodePorts } from './node.ts'
import { type NodePeerPorts, type NodePeers, openNodePeers } from './node-peers.ts'
import type { NodeSettings } from './node-settings.ts'
import { QuorumWait } from './quorum-wait.ts'

export interface NodeController extends AsyncDisposable {
  readonly controller: Controller
  readonly peers: NodePeers | null
}

/**
 * Resolves when the cluster has a controller that leads; says until then what it waits for. `brokerHandlers`: what the
 * broker serves to other nodes, once it is open.
 */
export async function openNodeController(
  settings: NodeSettings,
  ports: NodePorts,
  brokerHandlers: () => readonly Handler[] | null,
): Promise<NodeController> {
  const { clock, logger } = ports
  const owned = new Disposables()
  let controller: Controller | null = null
  const peers =
    ports.peers === null ? null : owned.use(openPeers(settings, ports, ports.peers, () => controller, brokerHandlers))
  const wait = new QuorumWait(clock, logger, () => peers?.network.unreached() ?? [])
  ports.onWaiting?.(() => wait.reasons())
  try {
    controller = owned.use(await open(settings, ports, peers))
    checkBelongs(settings, controller)
    return { controller, peers, [Symbol.asyncDispose]: () => owned.dispose() }
  } catch (error) {
    await owned.dispose()
    throw error
  } finally {
    wait[Symbol.dispose]()
  }
}

/** A node that decides alone follows nobody: data of a cluster of its own, brought along, are not noticed otherwise. */
function checkBelongs({ nodeId, voters }: NodeSettings, controller: Controller): void {
  if (voters.size === 0 || voters.has(nodeId) || controller.status().voters.some(({ id }) => id !== nodeId)) return
  const others = [...voters.keys()].join(', ')
  const text = `controller.quorum.voters names node ${others}, but in this node's metadata it is the only voter, of cluster ${controller.clusterId}: an empty log.dirs makes it follow the others`
  throw new ConfigError('controller.quorum.voters', text)
}

/** Without a way to the other voters its data name, a node would wait for them for ever. */
async function checkReaches(peers: NodePeers | null, quorum: Quorum): Promise<void> {
  const { nodeId, voters } = quorum.status()
  const others = voters.filter(({ id }) => id !== nodeId)
  if (peers !== null || others.length === 0) return
  await quorum[Symbol.asyncDispose]()
  const addresses = others.map(({ id, url }) => `${id} at ${url}`).join(', ')
  const text = `this node's metadata name other voters (node ${addresses}), and it has no listener for other nodes: peer.listener=ws://127.0.0.1:9293 (or the address it had) opens one`
  throw new ConfigError('peer.listener', text)
}

function openPeers(
  settings: NodeSettings,
  { clock, random, logger, onFatal }: NodePorts,
  ports: NodePeerPorts,
  controller: () => Controller | null,
  brokerHandlers: () => readonly Handler[] | null,
): NodePeers {
  const { nodeId, clusterId } = settings
  return openNodePeers({
    settings,
    ports,
    handlers: [...controllerHandlers(controller), ...peerHandlersWhenOpen(brokerHandlers)],
    identity: () => ({
      clusterId: controller()?.clusterId ?? clusterId ?? '',
      nodeId,
      software: `millrace ${version}`,
    }),
    clock,
    random,
    logger,
    onFatal,
  })
}

function open(settings: NodeSettings, ports: NodePorts, peers: NodePeers | null): Promise<Controller> {
  const { nodeId } = settings
  const { clock, random, logger, signal, controllerRules, onFatal } = ports
  const url = ports.peers?.url ?? ''
  return openController({
    nodeId,
    quorum: async stateMachine => {
      const quorum = await openQuorum({
        nodeId,
        storage: await ports.raftStorage,
        voters: settings.voters.size === 0 ? new Map([[nodeId, url]]) : settings.voters,
        url,
        stateMachine,
        clock,
        random,
        logger,
        peers: peers?.network ?? noPeers,
        timing: settings.quorumTiming,
        snapshots: settings.quorumSnapshots,
        onFatal,
      })
      await checkReaches(peers, quorum)
      return quorum
    },
    network: peers?.network ?? null,
    clock,
    random,
    logger,
    defaults: settings.topicCreation,
    clusterId: settings.clusterId,
    brokerSessionTimeoutMs: settings.brokerSessionTimeoutMs,
    brokerGoneGraceMs: settings.brokerGoneGraceMs,
    leaderBalanceIntervalMs: settings.leaderBalanceIntervalMs,
    requestTimeoutMs: settings.controllerRequestTimeoutMs,
    validateBrokerConfig: settings.validateBrokerConfig,
    ...(controllerRules === undefined ? {} : { rules: controllerRules }),
    ...(signal === undefined ? {} : { signal }),
  })
}
