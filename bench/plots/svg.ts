// The few elements of SVG that the plots are made of.

import { INK } from './palette.ts'

type Attributes = Readonly<Record<string, string | number>>

export function element(name: string, attributes: Attributes, content = ''): string {
  const listed = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeText(value)}"`)
    .join('')
  return content === '' ? `<${name}${listed}/>` : `<${name}${listed}>${content}</${name}>`
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, fill: INK, ...attributes }, escapeText(content))
}

/** A whole picture on white: it is read on dark pages, too. */
export function picture(width: number, height: number, title: string, content: readonly string[]): string {
  const root = {
    xmlns: 'http://www.w3.org/2000/svg',
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'font-family': 'system-ui, sans-serif',
    'font-size': 12,
  }
  const parts = [
    element('title', {}, escapeText(title)),
    element('rect', { width, height, fill: 'white' }),
    text(16, 24, title, { 'font-size': 15, 'font-weight': 600 }),
    ...content,
  ]
  return `${element('svg', root, `\n${parts.join('\n')}\n`)}\n`
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function escapeText(raw: string): string {
  return raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
