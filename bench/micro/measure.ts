/** The stop watch of the micro-benchmarks: best of some rounds, since noise on a shared machine only ever adds. */

const rounds = 5
const roundMsMin = 300

/** Runs `run`, which returns how many things it did, in rounds; things per second of the best round. */
export function measure(run: () => number): number {
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    let count = 0
    let elapsedMs = 0
    while ((elapsedMs = performance.now() - start) < roundMsMin) for (let i = 0; i < 16; i++) count += run()
    best = Math.max(best, (count / elapsedMs) * 1000)
  }
  return best
}

export function report(title: string, rows: ReadonlyArray<readonly [name: string, perSecond: number]>): void {
  console.log(`${title} per second`)
  for (const [name, perSecond] of rows) console.log(`  ${name.padEnd(36)} ${scaled(perSecond).padStart(10)}`)
}

function scaled(perSecond: number): string {
  return perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(2)} M` : `${(perSecond / 1e3).toFixed(1)} k`
}
