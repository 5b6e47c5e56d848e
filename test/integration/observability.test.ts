/**
 * docker-compose.yml and docs/observability/: what they say of each other and of the nodes is true. A metric or a label that an
 * alert or a panel asks for is one that a running cluster has; else it would stay silent for ever.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { parse } from 'yaml'
import { Admin, Consumer, Producer } from '../../src/index.ts'
import { startCluster } from '../../src/server/index.ts'
import { configOf } from '../../src/server/server-options.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { until } from './by-hand.ts'

const directory = 'docs/observability'

interface Service {
  readonly environment?: Readonly<Record<string, string>>
  readonly ports: readonly string[]
  readonly volumes: readonly string[]
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly action: string }
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly datasource: { readonly uid: string } }>
}

const yaml = <T>(file: string): T => parse(readFileSync(file, 'utf8')) as T
const compose = yaml<{ services: Record<string, Service>; volumes: Record<string, null> }>('docker-compose.yml')
const rules = yaml<{ groups: { rules: Rule[] }[] }>(`${directory}/alerts.yml`).groups.flatMap(group => group.rules)
const dashboards = `${directory}/grafana/dashboards`
const panels = readdirSync(dashboards)
  .filter(name => name.endsWith('.json'))
  .flatMap(name => (JSON.parse(readFileSync(path.join(dashboards, name), 'utf8')) as { panels: Panel[] }).panels)
const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
]

/** What a cluster under some load has: the lines of all scrapes. */
let lines: readonly string[] = []

before(async () => {
  await using cluster = await startCluster({ logger: silentLogger })
  const { bootstrap } = cluster
  const admin = new Admin({ bootstrap })
  const producer = new Producer({ bootstrap })
  await admin.createTopics({ topics: [{ name: 't', numPartitions: 3, replicationFactor: 3 }] })
  await producer.send({ topic: 't', messages: [{ key: 'k', value: 'v' }] })
  await producer.close()
  await admin.close()
  await using consumer = new Consumer({ bootstrap, topics: ['t'], from: 'start', until: 'end' })
  for await (const record of consumer) assert.equal(record.topic, 't')
  const scrape = async (): Promise<string[]> => {
    const texts = cluster.nodes.map(async ({ url }) => (await fetch(`${url.replace('ws:', 'http:')}/metrics`)).text())
    return (await Promise.all(texts)).flatMap(text => text.split('\n'))
  }
  // What is measured between two scrapes is not in the first.
  lines = await until(async () => {
    const scraped = await scrape()
    return scraped.some(line => line.startsWith('millrace_event_loop_delay_seconds{')) && scraped
  })
})

test('every metric and label that is asked for exists', () => {
  const isKnown = (name: string, labels: readonly string[]): boolean =>
    labels.length === 0
      ? lines.some(line => line.startsWith(`# TYPE ${name.replace(/_(bucket|sum|count)$/, '')} `))
      : lines.some(line => line.startsWith(`${name}{`) && labels.every(label => line.includes(label)))
  assert.ok(expressions.length > 30 && lines.length > 100, 'there is something to look at')
  const faults = expressions.flatMap(({ where, expr }) =>
    [...expr.matchAll(/\b(millrace_\w+)(?:\{([^}]*)\})?/g)].flatMap(([selector, name, matchers = '']) => {
      const labels = [...matchers.matchAll(/\w+="[^"]*"/g)].map(([label]) => label)
      return isKnown(name!, labels) ? [] : [`${where}: ${selector}`]
    }),
  )
  assert.deepEqual(faults, [])
})

test('alerts say what is wrong and where the manual says what to do', () => {
  const headings = readFileSync('docs/OPERATIONS.md', 'utf8')
    .match(/^#+ .*$/gm)!
    .map(line => line.replace(/^#+ /, ''))
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^Millrace[A-Z]/)
    assert.ok(['page', 'ticket'].includes(labels.severity), alert)
    assert.match(annotations.summary, /[.]$/, alert)
    for (const [, section] of annotations.action.matchAll(/[Ss]ee "([^"]+)"/g)) {
      assert.ok(headings.includes(section!), `${alert}: no section "${section}"`)
    }
  }
})

test('panels have a source, a place of their own, and a unique number', () => {
  const [source] = yaml<{ datasources: { uid: string }[] }>(
    `${directory}/grafana/datasources/prometheus.yml`,
  ).datasources
  assert.ok(panels.length > 20)
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const panel of panels) {
    const uids = [panel.datasource, ...(panel.targets ?? []).map(({ datasource }) => datasource)].map(of => of?.uid)
    if (panel.type !== 'row') assert.deepEqual([...new Set(uids)], [source!.uid], panel.title)
    const { x, w, y, h } = panel.gridPos
    const isApart = (other: Panel['gridPos']): boolean =>
      x + w <= other.x || other.x + other.w <= x || y + h <= other.y || other.y + other.h <= y
    assert.ok(x + w <= 24, panel.title)
    for (const other of panels) if (other !== panel) assert.ok(isApart(other.gridPos), `${panel.title}, ${other.title}`)
  }
})

test('docker-compose.yml: nodes may be started so, are scraped under names they answer to, and mount what exists', () => {
  const nodes = Object.entries(compose.services).filter(([name]) => name.startsWith('millrace-'))
  assert.equal(nodes.length, 3)
  const [job] = yaml<{ scrape_configs: { static_configs: { targets: string[] }[] }[] }>(
    `${directory}/prometheus.yml`,
  ).scrape_configs
  const targets = job!.static_configs.flatMap(config => config.targets)
  assert.deepEqual(
    targets,
    nodes.map(([name]) => `${name}:9292`),
  )
  for (const [name, { environment }] of nodes) {
    // Throws for a setting that is unknown or cannot be meant.
    const config = configOf({ env: environment! })
    assert.ok(config.allowedHosts.includes(name), `${name} is scraped under that name`)
  }
  for (const [name, { volumes, ports }] of Object.entries(compose.services)) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, `${name}: nobody is asked who he is`)
    for (const [source] of volumes.map(volume => volume.split(':') as [string, string])) {
      assert.ok(source.startsWith('./') ? existsSync(source) : source in compose.volumes, `${name}: ${source}`)
    }
  }
})

for (const [command, ...args] of [
  ['promtool', 'check', 'rules', `${directory}/alerts.yml`],
  ['promtool', 'check', 'config', '--syntax-only', `${directory}/prometheus.yml`],
  ['docker', 'compose', 'config', '--quiet'],
] as const) {
  const probe = command === 'docker' ? ['compose', 'version'] : ['--version']
  const skip = spawnSync(command, probe).status === 0 ? false : `needs ${command}`
  test(`${command} ${args.join(' ')}`, { skip }, () => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
    assert.equal(status, 0, stdout + stderr)
  })
}
