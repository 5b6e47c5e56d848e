/** Horizontal bars in rows, each of one or more parts, with whiskers for the spread and a tick where the limit is. */
import { line, project, type Scale, svg, text, ticksOf } from './svg.ts'

export interface Bar {
  readonly name: string
  /** Side by side, from the left. */
  readonly parts: readonly { readonly value: number; readonly className: string }[]
  readonly whisker?: readonly [from: number, to: number]
  /** At the end of the bar. */
  readonly note: string
}

export interface BarGroup {
  readonly name: string
  readonly bars: readonly Bar[]
}

export interface BarPlot {
  readonly title: string
  readonly scale: Scale
  readonly format: (value: number) => string
  readonly groups: readonly BarGroup[]
  /** Lines across all bars, such as what is aimed at. */
  readonly marks?: readonly number[]
  /** Where bars begin; by default at the left edge. */
  readonly origin?: number
}

const width = 1_100
const margin = { left: 350, right: 230, top: 14, bottom: 26 }
const barHeight = 15
const groupGap = 9

export function barPlot({ title, scale, format, groups, marks = [], origin = scale.min }: BarPlot): string {
  const rows = groups.reduce((sum, { bars }) => sum + bars.length, 0)
  const bottom = margin.top + rows * barHeight + groups.length * groupGap
  const toX = project(scale, margin.left, width - margin.right)
  const parts: string[] = []
  for (const { value, text: label } of ticksOf(scale, format)) {
    parts.push(line(toX(value), margin.top, toX(value), bottom, 'grid'))
    parts.push(text(toX(value), bottom + 16, label, 'class="tick" text-anchor="middle"'))
  }
  let top = margin.top + groupGap / 2
  for (const { name, bars } of groups) {
    parts.push(text(8, top + 12, name, 'class="label"'))
    for (const bar of bars) {
      parts.push(drawBar(bar, top, toX, scale, origin))
      top += barHeight
    }
    top += groupGap
  }
  for (const mark of marks) parts.push(line(toX(mark), margin.top, toX(mark), bottom, 'aim'))
  return svg(width, bottom + margin.bottom, title, parts.join(''))
}

function drawBar(
  { name, parts, whisker, note }: Bar,
  top: number,
  toX: (value: number) => number,
  { kind, max }: Scale,
  origin: number,
): string {
  const drawn = [text(margin.left - 8, top + 12, name, 'class="tick" text-anchor="end"')]
  const clampedX = (value: number): number => toX(Math.min(value, max))
  let from = origin
  let end = toX(origin)
  for (const { value, className } of parts) {
    // On a logarithmic scale there is one part, and its length is a ratio.
    const to = kind === 'log' ? value : from + value
    const [left, right] = [toX(from), clampedX(to)].sort((a, b) => a - b) as [number, number]
    const place = `x="${left.toFixed(1)}" y="${top + 2}" width="${(right - left).toFixed(1)}" height="${barHeight - 4}"`
    drawn.push(`<rect ${place} class="bar ${className}"/>`)
    from = Math.min(to, max)
    end = Math.max(end, right)
  }
  const middle = top + barHeight / 2
  if (whisker !== undefined) {
    drawn.push(line(toX(whisker[0]), middle, clampedX(whisker[1]), middle, 'whisker'))
    end = Math.max(end, clampedX(whisker[1]))
  }
  drawn.push(text(end + 6, top + 12, note, 'class="note"'))
  return drawn.join('')
}
