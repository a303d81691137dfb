// One colour for each contender in every plot: blue on PostgreSQL, warm on Valkey.

import type { ContenderName } from '../contenders.ts'

export const COLOURS: Readonly<Record<ContenderName, string>> = {
  'postgres-cache': '#1d4ed8',
  'postgres-no-local-cache': '#60a5fa',
  'postgres-no-notify': '#0e7490',
  'keyv-postgres': '#94a3b8',
  iovalkey: '#dc2626',
  'node-redis': '#f97316',
  'valkey-glide': '#d97706',
  'node-redis-tracking': '#be185d',
  bentocache: '#7c3aed',
}

export const INK = '#1f2937'
export const GRID = '#e5e7eb'
