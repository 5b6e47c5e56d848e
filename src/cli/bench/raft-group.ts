/** The members of a group under measurement, as child processes: three event loops must not share one core more than they have to. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { memberVariable } from '../commands/bench.ts'
import { freePorts } from './free-ports.ts'
import type { Load, MemberSettings, Order, Report, RunResult } from './raft-member.ts'

export interface GroupSettings {
  /** The program whose `bench raft` a member is: `bin/millrace.cjs`. */
  readonly bin: string
  readonly nodes: number
  /** Data of all members, one directory each. */
  readonly directory: string
  readonly delayMs: number
  readonly window: number
  readonly appendBytesMax: number
}

type ReportOf<Kind extends Report['kind']> = Extract<Report, { kind: Kind }>

export class RaftGroup implements AsyncDisposable {
  readonly #children: ChildProcess[] = []
  #leader: ChildProcess | null = null
  #onLeader: (() => void) | null = null

  /** Resolves when a member leads. */
  static async start(settings: GroupSettings): Promise<RaftGroup> {
    const group = new RaftGroup()
    try {
      const ports = await freePorts(settings.nodes)
      const voters = Object.fromEntries(ports.map((port, i) => [i + 1, `ws://127.0.0.1:${port}`]))
      await Promise.all(ports.map((_, i) => group.#startMember(i + 1, voters, settings)))
      await group.#untilLed()
      return group
    } catch (error) {
      await group[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Makes the leader propose. */
  async run(load: Load): Promise<RunResult> {
    const { result } = await ask(this.#leader!, { kind: 'run', load }, 'ran')
    return result
  }

  /** Of all members together, since they started. */
  async cpuSeconds(): Promise<number> {
    const answers = await Promise.all(this.#children.map(child => ask(child, { kind: 'cpu' }, 'cpu')))
    return answers.reduce((sum, { seconds }) => sum + seconds, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async child => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'exit')
        child.disconnect()
        await ended
      }),
    )
  }

  async #startMember(
    nodeId: number,
    voters: Readonly<Record<number, string>>,
    { bin, directory, delayMs, window, appendBytesMax }: GroupSettings,
  ): Promise<void> {
    const dataDir = path.join(directory, `member-${nodeId}`)
    const settings: MemberSettings = { nodeId, voters, dataDir, delayMs, window, appendBytesMax }
    const child = fork(bin, ['bench', 'raft'], {
      execArgv: [],
      env: { ...process.env, [memberVariable]: JSON.stringify(settings) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#children.push(child)
    child.on('message', (report: Report) => {
      if (report.kind !== 'leads') return
      if (report.isLeader) this.#leader = child
      else if (this.#leader === child) this.#leader = null
      if (this.#leader !== null) this.#onLeader?.()
    })
    await reportOf(child, 'ready')
  }

  #untilLed(): Promise<void> {
    if (this.#leader !== null) return Promise.resolve()
    return new Promise(resolve => {
      this.#onLeader = resolve
    })
  }
}

function ask<Kind extends Report['kind']>(child: ChildProcess, order: Order, kind: Kind): Promise<ReportOf<Kind>> {
  const answer = reportOf(child, kind)
  child.send(order)
  return answer
}

function reportOf<Kind extends Report['kind']>(child: ChildProcess, kind: Kind): Promise<ReportOf<Kind>> {
  return new Promise((resolve, reject) => {
    const onMessage = (report: Report): void => {
      if (report.kind === 'failed') reject(new Error(report.message))
      else if (report.kind === kind) resolve(report as ReportOf<Kind>)
      else return
      child.off('message', onMessage)
      child.off('exit', onExit)
    }
    const onExit = (): void => reject(new Error('a member of the group ended'))
    child.on('message', onMessage)
    child.once('exit', onExit)
  })
}
