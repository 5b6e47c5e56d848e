/** Faults of whole disks, for nodes whose directories are on disks of their own. */
import { MiB } from '../../../src/util/units.ts'
import type { ChaosCluster } from './cluster.ts'
import type { LoopDisk } from './disks.ts'
import { type Fault, oneOf } from './nemesis.ts'
import type { ChaosNode } from './node.ts'

/** `diskOf`: that of a node, by its number. */
export function diskFaults(cluster: ChaosCluster, diskOf: (id: number) => LoopDisk): Fault[] {
  const { nodes } = cluster
  return [
    {
      name: 'cut the power of one',
      strike: async random => {
        const node = oneOf(nodes, random)
        await cutPower([node], diskOf)
        return () => restorePower([node], diskOf)
      },
    },
    {
      name: 'cut the power of all',
      strike: async () => {
        await cutPower(nodes, diskOf)
        return () => restorePower(nodes, diskOf)
      },
    },
    {
      // Too little for records, enough for the metadata.
      name: 'fill a disk',
      strike: async random => {
        const disk = diskOf(oneOf(nodes, random).id)
        disk.fill(16 * MiB)
        return async () => disk.free()
      },
    },
    {
      name: 'fill a disk to the last byte',
      strike: async random => {
        const node = oneOf(nodes, random)
        const disk = diskOf(node.id)
        disk.fill(0)
        return async () => {
          // Unless it has stopped already, because the metadata could not be written, it may be about to.
          await node.stop('SIGKILL')
          disk.free()
          node.start()
          await node.untilReady()
        }
      },
    },
  ]
}

/** All disks first: what a node still does on a dead disk, it does not do for the others. */
export async function cutPower(nodes: readonly ChaosNode[], diskOf: (id: number) => LoopDisk): Promise<void> {
  for (const { id } of nodes) diskOf(id).cutPower()
  await Promise.all(nodes.map(node => node.stop('SIGKILL')))
}

export async function restorePower(nodes: readonly ChaosNode[], diskOf: (id: number) => LoopDisk): Promise<void> {
  for (const node of nodes) {
    diskOf(node.id).restorePower()
    node.start()
  }
  await Promise.all(nodes.map(node => node.untilReady()))
}
