/** A page for readers as data: its code blocks in order, so that tests can do what it tells a reader to do. */
import { readFileSync } from 'node:fs'

export interface CodeBlock {
  /** `sh`, `ts`; empty for what is printed. */
  readonly language: string
  readonly text: string
}

export function readmeBlocks(page = 'README.md'): CodeBlock[] {
  const text = readFileSync(page, 'utf8')
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))
}
