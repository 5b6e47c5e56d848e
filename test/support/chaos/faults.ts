/** The faults that need no root: processes, links, the storage shim. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../../../src/util/random.ts'
import type { ChaosCluster } from './cluster.ts'
import { bridge, type Cuttable, deafen, isolate, mute, ring } from './cuts.ts'
import type { Mesh } from './mesh.ts'
import { type Fault, oneOf } from './nemesis.ts'
import type { ChaosNode } from './node.ts'

const patienceMs = 3_000

/** To the nodes' processes. */
export function processFaults(cluster: ChaosCluster, topic: string): Fault[] {
  const { nodes } = cluster
  const restart = async (ended: readonly ChaosNode[]): Promise<void> => {
    for (const node of ended) node.start()
    await Promise.all(ended.map(node => node.untilReady()))
  }
  const endThese = (
    name: string,
    signal: NodeJS.Signals,
    victims: (random: Random) => Promise<readonly ChaosNode[]>,
  ): Fault => ({
    name,
    strike: async random => {
      const ended = await victims(random)
      await Promise.all(ended.map(node => node.stop(signal)))
      return () => restart(ended)
    },
  })
  /** Any node when nobody can say who leads. */
  const leaderOfAny = async (random: Random): Promise<ChaosNode> => {
    const described = await Promise.race([cluster.describe(topic), pause(patienceMs, null)])
    const led = described?.partitions.filter(({ leader }) => leader >= 0) ?? []
    return led.length === 0 ? oneOf(nodes, random) : cluster.node(oneOf(led, random).leader)
  }
  return [
    endThese('kill a leader', 'SIGKILL', async random => [await leaderOfAny(random)]),
    endThese('kill one', 'SIGKILL', async random => [oneOf(nodes, random)]),
    endThese('kill all but one', 'SIGKILL', async random => {
      const spared = oneOf(nodes, random)
      return nodes.filter(node => node !== spared)
    }),
    endThese('kill all', 'SIGKILL', async () => nodes),
    endThese('stop one', 'SIGTERM', async random => [oneOf(nodes, random)]),
    {
      name: 'freeze a leader',
      strike: async random => {
        const node = await leaderOfAny(random)
        node.freeze()
        return async () => node.thaw()
      },
    },
    {
      name: 'kill in quick succession',
      strike: async random => {
        const node = oneOf(nodes, random)
        await node.stop('SIGKILL')
        node.start()
        await node.stop('SIGKILL')
        node.start()
        return () => node.untilReady()
      },
    },
  ]
}

/** Cuts, of any network. */
export function cutFaults(network: Cuttable): Fault[] {
  const cut = (name: string, how: (random: Random) => Promise<void>): Fault => ({
    name,
    strike: async random => {
      await how(random)
      return async () => network.heal()
    },
  })
  const any = (random: Random): number => oneOf(network.ids, random)
  return [
    cut('isolate one', random => isolate(network, any(random))),
    cut('mute one', random => mute(network, any(random))),
    cut('deafen one', random => deafen(network, any(random))),
    cut('bridge', random => bridge(network, any(random))),
    cut('ring', () => ring(network)),
  ]
}

/** What else a wire may do, by the links of a mesh. */
export function linkFaults(mesh: Mesh): Fault[] {
  const undone = async (): Promise<void> => mesh.heal()
  return [
    {
      name: 'lose what one sends',
      strike: async random => {
        const from = oneOf(mesh.ids, random)
        for (const to of mesh.ids) if (to !== from) mesh.cut(from, to, 'drop')
        return undone
      },
    },
    {
      name: 'reset connections',
      strike: async random => {
        mesh.resetPeersOf(oneOf(mesh.ids, random))
        return undone
      },
    },
    {
      name: 'slow and jittery',
      strike: async random => {
        mesh.setPeers({ delayMs: 20 * random.nextFloat(), jitterMs: 100 * random.nextFloat() })
        return undone
      },
    },
    {
      name: 'narrow and sliced',
      strike: async random => {
        mesh.setPeers({ sliceBytesMax: 1 + random.nextInt(100), bytesPerSecond: 200_000 })
        return undone
      },
    },
    {
      name: 'half-open',
      strike: async random => {
        const id = oneOf(mesh.ids, random)
        for (const other of mesh.ids) if (other !== id) mesh.peer(other, id).set({ arrivals: 'silent' })
        mesh.resetPeersOf(id)
        return undone
      },
    },
    {
      name: 'cut clients from one',
      strike: async random => {
        mesh.client(oneOf(mesh.ids, random)).set({ there: 'hold', back: 'hold' })
        return undone
      },
    },
  ]
}

/** To the disks, by the preloaded shim. */
export function storageFaults(cluster: ChaosCluster): Fault[] {
  return [
    {
      name: 'slow fdatasync',
      strike: async random => {
        const node = oneOf(cluster.nodes, random)
        // Of segments, or of the metadata.
        const suffix = oneOf(['.log', '/data.mdb'], random)
        const fault = `fdatasync:slow ${100 + random.nextInt(400)}`
        await node.order({ STORAGE_SHIM_SUFFIX: suffix, STORAGE_SHIM_FAULT: fault })
        return () => node.order({ STORAGE_SHIM_SUFFIX: '.log', STORAGE_SHIM_FAULT: '' })
      },
    },
    {
      name: 'EIO on fdatasync',
      strike: async random => {
        const node = oneOf(cluster.nodes, random)
        await node.order({ STORAGE_SHIM_FAULT: 'fdatasync:EIO' })
        // It stops by itself at its first sync.
        await node.ended()
        return async () => {
          node.start()
          await node.untilReady()
        }
      },
    },
  ]
}

/** One of the first kind and, while it lasts, one of the second. */
export function together(name: string, first: readonly Fault[], second: readonly Fault[]): Fault {
  return {
    name,
    strike: async random => {
      const undoFirst = await oneOf(first, random).strike(random)
      const undoSecond = await oneOf(second, random).strike(random)
      return async () => {
        await undoFirst()
        await undoSecond()
      }
    },
  }
}

/** One node at a time loses all it has, when the others have everything. */
export function wipeFault(cluster: ChaosCluster, topic: string): Fault {
  return {
    name: 'wipe one',
    strike: async random => {
      await cluster.untilInSync(topic)
      const node = oneOf(cluster.nodes, random)
      await node.stop('SIGKILL')
      node.wipe()
      return async () => {
        node.start()
        await cluster.readmit(node)
        await node.untilReady()
        await cluster.untilInSync(topic)
      }
    },
  }
}
