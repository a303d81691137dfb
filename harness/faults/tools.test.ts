import { expect, it } from 'vitest'
import { missingTools } from './tools.ts'

it.runIf(process.env['CI'])('every program that a test needs is there', () => {
  expect(missingTools()).toEqual([])
})
