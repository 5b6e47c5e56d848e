/** Shapes of partitions, for any network that can be cut between two nodes. */

export interface Cuttable {
  readonly ids: readonly number[]
  /** Nothing of what `from` sends reaches `to` any more. */
  cut(from: number, to: number): void | Promise<void>
  heal(): void | Promise<void>
}

/** Both ways. */
export async function part(network: Cuttable, a: number, b: number): Promise<void> {
  await network.cut(a, b)
  await network.cut(b, a)
}

/** Nodes of different groups do not reach each other. */
export async function split(network: Cuttable, ...groups: readonly (readonly number[])[]): Promise<void> {
  for (const [at, group] of groups.entries()) {
    for (const a of group) for (const b of groups.slice(at + 1).flat()) await part(network, a, b)
  }
}

/** From all other nodes; its clients still reach it. */
export function isolate(network: Cuttable, id: number): Promise<void> {
  return split(network, [id], othersOf(network, id))
}

/** All others reach only this one: each sees a majority, not the same one. */
export function bridge(network: Cuttable, id: number): Promise<void> {
  return split(network, ...othersOf(network, id).map(other => [other]))
}

/** It hears everybody and nobody hears it. */
export async function mute(network: Cuttable, id: number): Promise<void> {
  for (const other of othersOf(network, id)) await network.cut(id, other)
}

/** Everybody hears it and it hears nobody. */
export async function deafen(network: Cuttable, id: number): Promise<void> {
  for (const other of othersOf(network, id)) await network.cut(other, id)
}

/** Everyone hears one neighbour only. */
export async function ring(network: Cuttable): Promise<void> {
  const { ids } = network
  for (const [at, id] of ids.entries()) {
    const heard = ids[(at + 1) % ids.length]!
    for (const other of ids) if (other !== id && other !== heard) await network.cut(other, id)
  }
}

function othersOf({ ids }: Cuttable, id: number): number[] {
  return ids.filter(other => other !== id)
}
