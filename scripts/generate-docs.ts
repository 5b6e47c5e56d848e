/**
 * Writes the generated pages of docs/, or with `--check` fails when one is out of date. Each page is a function of the
 * source it documents, so it cannot say what the code does not do.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { renderCli } from './generate-docs/cli.ts'
import { renderConfiguration } from './generate-docs/configuration.ts'
import { renderProtocol } from './generate-docs/protocol.ts'

const pages: Record<string, () => string> = {
  'docs/PROTOCOL.md': renderProtocol,
  'docs/CONFIGURATION.md': renderConfiguration,
  'docs/CLI.md': renderCli,
}

const isCheck = process.argv.includes('--check')
let isStale = false
for (const [path, render] of Object.entries(pages)) {
  const text = render()
  if (!isCheck) writeFileSync(path, text)
  else if (readOrEmpty(path) !== text) {
    console.error(`${path} is out of date: run npm run docs`)
    isStale = true
  }
}
process.exitCode = isStale ? 1 : 0

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
