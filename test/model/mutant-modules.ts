// Loads src/memory with one rule broken: `coherence.ts?mutant=3` is the file with the third mutation, and so is
// whatever it imports.

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vitest/config'
import { mutations } from './mutations.ts'

const MEMORY = fileURLToPath(new URL('../../src/memory/', import.meta.url))
const MUTANT = /^(?<path>.*)\?mutant=(?<number>\d+)$/

export function mutantModules(): Plugin {
  return {
    name: 'mutant-modules',
    enforce: 'pre',
    resolveId(source, importer) {
      const mutant = MUTANT.exec(importer ?? '')?.groups
      if (mutant === undefined) return null
      const path = resolve(dirname(mutant.path as string), source)
      return path.startsWith(MEMORY) ? `${path}?mutant=${mutant.number}` : null
    },
    load(id) {
      const mutant = MUTANT.exec(id)?.groups
      if (mutant === undefined) return null
      const text = readFileSync(mutant.path as string, 'utf8')
      const mutation = mutations[Number(mutant.number)]
      if (mutation === undefined || mutant.path !== MEMORY + mutation.file) return text
      if (text.split(mutation.from).length !== 2)
        throw new Error(`${mutation.without}: expected one place in ${mutation.file}`)
      return text.replace(mutation.from, () => mutation.to)
    },
  }
}
