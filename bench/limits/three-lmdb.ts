/**
 * What is left of LMDB when three processes share the machine, as three voters do: each commits the same batches, nobody
 * talks to anybody. A group can commit no more than its second fastest member, and no sooner; so the middle one counts.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type RawLoad, type RawResult, rawLmdb } from './raw-lmdb.ts'

/** In three directories below `load.directory`. */
export async function threeLmdb(load: RawLoad): Promise<RawResult> {
  const children = [1, 2, 3].map(member => {
    const directory = path.join(load.directory, `member-${member}`)
    mkdirSync(directory)
    const child = fork(import.meta.filename, [JSON.stringify({ ...load, directory })], { execArgv: process.execArgv })
    return { child, directory }
  })
  const results = await Promise.all(children.map(({ child }) => resultOf(child)))
  for (const { directory } of children) rmSync(directory, { recursive: true })
  const middle = (pick: (result: RawResult) => number): number => results.map(pick).sort((a, b) => a - b)[1]!
  return { commitsPerSecond: middle(r => r.commitsPerSecond), p50Ms: middle(r => r.p50Ms) }
}

async function resultOf(child: ChildProcess): Promise<RawResult> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process that commits to LMDB ended with ${code}`)
  })
  const [result] = (await Promise.race([once(child, 'message'), ended])) as [RawResult]
  ended.catch(() => {})
  return result
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  const result = await rawLmdb(JSON.parse(process.argv[2]) as RawLoad)
  process.send(result)
  process.disconnect()
}
