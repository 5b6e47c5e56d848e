/** A limit for the copying that a move of partitions causes: a dynamic config of the brokers, while the move lasts. */
import type { Admin } from '../index.ts'

const throttleKey = 'replica.catchup.rate.bytes.per.second'

/** Sets the limit on each of the brokers. `put` sets them back to what they were. */
export async function setThrottle(
  admin: Admin,
  nodeIds: readonly number[],
  bytesPerSecond: number,
): Promise<{ restore(): Promise<void> }> {
  const described = await admin.describeConfigs({
    resources: nodeIds.map(id => ({ type: 'broker' as const, name: String(id), keys: [throttleKey] })),
  })
  const before = new Map(
    described.map(({ name, configs }) => {
      const config = configs.find(({ key }) => key === throttleKey)
      return [Number(name), config?.source === 'broker-dynamic' ? config.value : null]
    }),
  )
  await change(admin, nodeIds, () => String(bytesPerSecond))
  return { restore: () => change(admin, nodeIds, id => before.get(id) ?? null) }
}

/** Takes whatever limit there is from the brokers. */
export function removeThrottle(admin: Admin, nodeIds: readonly number[]): Promise<void> {
  return change(admin, nodeIds, () => null)
}

async function change(
  admin: Admin,
  nodeIds: readonly number[],
  chooseValue: (nodeId: number) => string | null,
): Promise<void> {
  const resources = nodeIds.map(id => {
    const value = chooseValue(id)
    const op =
      value === null ? { op: 'delete' as const, key: throttleKey } : { op: 'set' as const, key: throttleKey, value }
    return { type: 'broker' as const, name: String(id), changes: [op] }
  })
  await admin.alterConfigs({ resources })
}
