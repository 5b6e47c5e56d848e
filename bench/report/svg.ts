/** Small pieces of SVG: axes, text, escaping. Colours come from the page's style, by class. */

export interface Scale {
  readonly kind: 'linear' | 'log'
  readonly min: number
  readonly max: number
}

export interface Tick {
  readonly value: number
  readonly text: string
}

/** From values to pixels. */
export function project({ kind, min, max }: Scale, from: number, to: number): (value: number) => number {
  const of = kind === 'log' ? Math.log10 : (value: number): number => value
  const span = of(max) - of(min) || 1
  return value => from + ((of(Math.max(value, kind === 'log' ? min : -Infinity)) - of(min)) / span) * (to - from)
}

/** Whole decades around the values, at least one. */
export function logScale(values: readonly number[]): Scale {
  const positive = values.filter(value => value > 0)
  if (positive.length === 0) return { kind: 'log', min: 1, max: 10 }
  const min = 10 ** Math.floor(Math.log10(Math.min(...positive)))
  const max = 10 ** Math.ceil(Math.log10(Math.max(...positive)))
  return { kind: 'log', min, max: max === min ? 10 * min : max }
}

/** From 0 to a round number. */
export function linearScale(values: readonly number[]): Scale {
  const max = Math.max(0, ...values)
  if (max === 0) return { kind: 'linear', min: 0, max: 1 }
  const step = roundStep(max)
  return { kind: 'linear', min: 0, max: Math.ceil(max / step) * step }
}

/** 1, 2 or 5 times a power of ten, of which up to six make `max`. */
function roundStep(max: number): number {
  const power = 10 ** Math.floor(Math.log10(max / 3))
  return power * ([1, 2, 5].find(factor => max / (factor * power) <= 6) ?? 10)
}

/** The decades of a logarithmic scale; the round steps of a linear one, which begins at 0. */
export function ticksOf({ kind, min, max }: Scale, format: (value: number) => string): Tick[] {
  const ticks: Tick[] = []
  const step = roundStep(max)
  const next = (value: number): number => (kind === 'log' ? 10 * value : value + step)
  for (let value = min; value <= max * 1.001; value = next(value)) ticks.push({ value, text: format(value) })
  return ticks
}

export function escapeMarkup(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

export function text(x: number, y: number, content: string, options = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${options}>${escapeMarkup(content)}</text>`
}

export function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(value => value.toFixed(1))
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" class="${className}"/>`
}

export function svg(width: number, height: number, title: string, content: string): string {
  const label = escapeMarkup(title)
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}"><title>${label}</title>${content}</svg>`
}

/** 1.2M, 34k: short enough for an axis. */
export function short(value: number): string {
  if (value >= 1e6) return `${trim(value / 1e6)}M`
  if (value >= 1e3) return `${trim(value / 1e3)}k`
  return trim(value)
}

function trim(value: number): string {
  return Number(value.toPrecision(3)).toString()
}
