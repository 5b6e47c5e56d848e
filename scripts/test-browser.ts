/**
 * The library in a real browser: bundles test/browser/page.ts, serves it from an origin the node allows, lets headless
 * Chromium produce and consume (gzip included) against a node in this process, and checks from Node what the page wrote.
 * A page of an origin that is not allowed must be refused.
 *
 * Needs Chromium (Debian: `apt-get install chromium`), at $CHROMIUM or /usr/bin/chromium. Exit: 0 passed, 1 failed,
 * 77 there is no Chromium.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'
import { type Browser, chromium } from 'playwright-core'
import { Admin, Consumer, Producer } from '../src/index.ts'
import { startServer } from '../src/server/index.ts'
import { Disposables } from '../src/util/disposables.ts'
import { silentLogger } from '../src/util/logger.ts'

const recordCount = 2_000
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
if (!existsSync(executablePath)) {
  console.error(
    `there is no Chromium at ${executablePath}: install it (Debian: apt-get install chromium) or set CHROMIUM`,
  )
  process.exit(77)
}

const opened = new Disposables()
try {
  await main()
  console.log('ok: the browser client works')
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  await opened.dispose()
}

async function main(): Promise<void> {
  const script = await bundlePage()
  const allowed = await servePage(script)
  const stranger = await servePage(script)
  const config = { 'allowed.origins': allowed }
  const server = opened.use(await startServer({ inMemory: true, port: 0, config, logger: silentLogger }))
  await produceFromNode(server.url)

  const browser = await launch()
  console.log(`Chromium ${browser.version()} at ${allowed}, node at ${server.url}`)
  const steps = (await inPage(browser, allowed, 'run', [server.url, recordCount])) as string[]
  for (const step of steps) console.log(`  ${step}`)
  await checkFromNode(server.url)

  const refused = await inPage(browser, stranger, 'connect', [server.url])
  assert.equal(refused, 'NETWORK_EXCEPTION', 'a page of another origin must not get in')
  console.log(`  ${stranger} was refused`)
}

async function bundlePage(): Promise<Uint8Array> {
  const entryPoints = ['test/browser/page.ts']
  const result = await build({
    entryPoints,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  })
  return result.outputFiles[0]!.contents
}

/** Serves an empty page and the script, on a port of its own; returns the origin. */
async function servePage(script: Uint8Array): Promise<string> {
  const server: HttpServer = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(isScript ? script : '<!doctype html><title>millrace</title>')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function launch(): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  const browser = await chromium.launch({ executablePath, headless: true, args })
  opened.defer(() => browser.close())
  return browser
}

/** Calls a function that test/browser/page.ts exports, inside a fresh page. */
async function inPage(browser: Browser, origin: string, name: 'run' | 'connect', args: unknown[]): Promise<unknown> {
  const page = await browser.newPage()
  try {
    page.on('pageerror', error => console.error('in the page:', error))
    await page.goto(origin)
    return await page.evaluate(`import('/page.js').then(page => page.${name}(...${JSON.stringify(args)}))`)
  } finally {
    await page.close()
  }
}

async function produceFromNode(bootstrap: string): Promise<void> {
  const admin = new Admin({ bootstrap })
  await admin.createTopics({ topics: [{ name: 'from-node', numPartitions: 1 }] })
  const producer = new Producer({ bootstrap, compression: 'gzip' })
  const messages = Array.from({ length: recordCount }, (_, i) => ({ value: `from node ${i}` }))
  await producer.send({ topic: 'from-node', messages })
  await Promise.all([producer.close(), admin.close()])
}

async function checkFromNode(bootstrap: string): Promise<void> {
  const consumer = new Consumer({ bootstrap, topics: ['browser'], from: 'start', until: 'end' })
  let records = 0
  for await (const batch of consumer.batches()) records += batch.records.length
  await consumer.close()
  assert.equal(records, 2 * recordCount)
  console.log(`  Node read the ${records} records the page wrote`)
}
