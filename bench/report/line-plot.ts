/** Lines over two axes, each linear or logarithmic, with a legend below. */
import { line, project, type Scale, svg, type Tick, text } from './svg.ts'

export interface Axis {
  readonly label: string
  readonly scale: Scale
  readonly ticks: readonly Tick[]
}

export interface Line {
  readonly name: string
  /** Of the page's style. */
  readonly className: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface LinePlot {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly Line[]
  readonly width?: number
  readonly height?: number
  readonly hasMarks?: boolean
}

const margin = { left: 58, right: 14, top: 30, bottom: 42 }
const legendLineHeight = 16

export function linePlot({ title, x, y, lines, width = 540, height = 300, hasMarks = false }: LinePlot): string {
  const bottom = height - margin.bottom
  const toX = project(x.scale, margin.left, width - margin.right)
  const toY = project(y.scale, bottom, margin.top)
  const parts = [text(margin.left, 17, title, 'class="title"')]
  for (const { value, text: label } of y.ticks) {
    parts.push(line(margin.left, toY(value), width - margin.right, toY(value), 'grid'))
    parts.push(text(margin.left - 6, toY(value) + 4, label, 'class="tick" text-anchor="end"'))
  }
  for (const { value, text: label } of x.ticks) {
    parts.push(line(toX(value), margin.top, toX(value), bottom, 'grid'))
    parts.push(text(toX(value), bottom + 15, label, 'class="tick" text-anchor="middle"'))
  }
  parts.push(text((margin.left + width - margin.right) / 2, bottom + 32, x.label, 'class="label" text-anchor="middle"'))
  parts.push(
    text(
      0,
      0,
      y.label,
      `class="label" text-anchor="middle" transform="translate(13 ${(margin.top + bottom) / 2}) rotate(-90)"`,
    ),
  )
  for (const { className, points } of lines) {
    const places = points.map(([px, py]) => `${toX(px).toFixed(1)},${toY(py).toFixed(1)}`)
    parts.push(`<polyline points="${places.join(' ')}" class="line ${className}"/>`)
    if (hasMarks || places.length === 1)
      parts.push(
        ...places.map(place => `<circle cx="${place.replace(',', '" cy="')}" r="3.2" class="mark ${className}"/>`),
      )
  }
  for (const [at, { name, className }] of lines.entries()) {
    const top = height + at * legendLineHeight
    parts.push(line(margin.left, top, margin.left + 22, top, `line ${className}`))
    parts.push(text(margin.left + 28, top + 4, name, 'class="legend"'))
  }
  return svg(width, height + lines.length * legendLineHeight, title, parts.join(''))
}
