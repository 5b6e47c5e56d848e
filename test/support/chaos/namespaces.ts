/**
 * A network namespace for each node, on a bridge of this machine, cut by nftables: packets are lost in the kernel, as on a
 * real wire, handshakes and acknowledgements of TCP among them. Needs root, `ip`, `nsenter` and `nft`, and
 * says so where they are missing.
 */
import { randomBytes, randomInt } from 'node:crypto'
import type { Cuttable } from './cuts.ts'
import { run } from './disks.ts'
import { type Fault, oneOf } from './nemesis.ts'

export class Namespaces implements Cuttable {
  readonly ids: readonly number[]
  /** Of interfaces: at most fifteen characters. */
  readonly #name = `mr${randomBytes(3).toString('hex')}`
  readonly #network = `10.${randomInt(64, 128)}.${randomInt(256)}`

  constructor(ids: readonly number[]) {
    this.ids = ids
    try {
      run('ip', 'link', 'add', this.#name, 'type', 'bridge')
      run('ip', 'address', 'add', `${this.#network}.254/24`, 'dev', this.#name)
      run('ip', 'link', 'set', this.#name, 'up')
      for (const id of ids) this.#add(id)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  hostOf(id: number): string {
    return `${this.#network}.${id}`
  }

  /** What runs a program in the node's namespace, and in no new one of mounts, which would hold those of other tests. */
  under(id: number): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#space(id)}`, '--']
  }

  cut(from: number, to: number): void {
    this.#nft(to, `add rule inet chaos input ip saddr ${this.hostOf(from)} drop`)
  }

  /** Of a hundred packets that arrive at the node, about so many are lost. */
  lose(id: number, percent: number): void {
    this.#nft(id, `add rule inet chaos input numgen random mod 100 < ${percent} drop`)
  }

  heal(): void {
    for (const id of this.ids) this.#nft(id, 'flush chain inet chaos input')
  }

  /** The processes in it must have ended. */
  remove(): void {
    for (const id of this.ids) attempt('ip', 'netns', 'delete', this.#space(id))
    attempt('ip', 'link', 'delete', this.#name)
  }

  #add(id: number): void {
    const space = this.#space(id)
    const outside = `${this.#name}-${id}`
    run('ip', 'netns', 'add', space)
    run('ip', 'link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space)
    run('ip', 'link', 'set', outside, 'master', this.#name, 'up')
    run('ip', '-n', space, 'address', 'add', `${this.hostOf(id)}/24`, 'dev', 'eth0')
    run('ip', '-n', space, 'link', 'set', 'eth0', 'up')
    run('ip', '-n', space, 'link', 'set', 'lo', 'up')
    this.#nft(id, 'add table inet chaos')
    this.#nft(id, 'add chain inet chaos input { type filter hook input priority 0 ; }')
  }

  #space(id: number): string {
    return `${this.#name}-${id}`
  }

  #nft(id: number, rule: string): void {
    const [command, ...args] = [...this.under(id), 'nft', rule]
    run(command!, ...args)
  }
}

/** The reason why there can be none, or false. */
export function namespacesMissing(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  try {
    const probe = new Namespaces([1, 2])
    probe.cut(1, 2)
    probe.lose(1, 10)
    probe.heal()
    probe.remove()
    return false
  } catch (error) {
    return `needs ip, nsenter, nft, bridges and veth: ${(error as Error).message}`
  }
}

export function lossFault(network: Namespaces): Fault {
  return {
    name: 'lose packets',
    strike: async random => {
      network.lose(oneOf(network.ids, random), 5 + random.nextInt(20))
      return async () => network.heal()
    },
  }
}

function attempt(command: string, ...args: readonly string[]): void {
  try {
    run(command, ...args)
  } catch {
    // It was not there.
  }
}
