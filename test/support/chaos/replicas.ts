/** What the replicas of a topic have on their disks, compared byte by byte. The nodes must have stopped. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** Fails unless all directories hold the same batches of every partition; returns the bytes of one replica of the topic. */
export function assertSameReplicas(dataDirs: readonly string[], topic: string, partitions: number): number {
  let bytes = 0
  for (let partition = 0; partition < partitions; partition++) {
    const replicas = dataDirs.map(directory => segmentsOf(path.join(directory, `${topic}-${partition}`)))
    for (const [at, replica] of replicas.entries()) {
      assert.deepEqual(replica, replicas[0], `${topic}-${partition}: ${dataDirs[at]} and ${dataDirs[0]} differ`)
    }
    bytes += replicas[0]!.bytes
  }
  return bytes
}

/** Where one segment ends and the next begins, each replica decides for itself. */
function segmentsOf(directory: string): { bytes: number; hash: string } {
  const hash = createHash('sha256')
  let bytes = 0
  for (const name of readdirSync(directory)
    .filter(name => name.endsWith('.log'))
    .sort()) {
    const content = readFileSync(path.join(directory, name))
    bytes += content.length
    hash.update(content)
  }
  return { bytes, hash: hash.digest('hex') }
}
