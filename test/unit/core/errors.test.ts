import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { CacheError, isCacheError } from '../../../src/core/errors.ts'

describe('CacheError', () => {
  test('carries code, key, option and cause', () => {
    const cause = new Error('socket closed')
    const error = new CacheError('unavailable', 'Cannot reach the server', {
      key: 'k',
      option: 'pool',
      cause,
    })
    expect(error).toMatchObject({ code: 'unavailable', key: 'k', option: 'pool', cause })
  })

  test('has no empty fields for what it is not about', () => {
    expect(Object.keys(new CacheError('closed', 'The cache is closed'))).toEqual(['code'])
    expect('cause' in new CacheError('closed', 'The cache is closed')).toBe(false)
  })

  test('is named in its stack and when printed', () => {
    const error = new CacheError('closed', 'The cache is closed')
    expect(error.name).toBe('CacheError')
    expect(error.stack).toMatch(/^CacheError: The cache is closed\n/)
    expect(inspect(error)).toMatch(/^CacheError: The cache is closed\n/)
  })
})

describe('isCacheError', () => {
  test('tells a CacheError from other errors', () => {
    expect(isCacheError(new CacheError('closed', ''))).toBe(true)
    expect(isCacheError(Object.assign(new Error('other'), { code: 'closed' }))).toBe(false)
    expect(isCacheError(undefined)).toBe(false)
  })

  test('tells one code from another', () => {
    expect(isCacheError(new CacheError('closed', ''), 'closed')).toBe(true)
    expect(isCacheError(new CacheError('closed', ''), 'timeout')).toBe(false)
  })
})
