// Imports a file of the built package and prints the modules that it asks for by name.

import { register } from 'node:module'

const hooks = `
import { writeSync } from 'node:fs'
export function resolve(specifier, context, next) {
  const isOurs = context.parentURL?.includes('/dist/') && !context.parentURL.includes('/node_modules/')
  if (isOurs && !/^(?:[.]|file:)/.test(specifier)) writeSync(1, specifier + '\\n')
  return next(specifier, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)

await import(`../../dist/${process.argv[2]}`)
