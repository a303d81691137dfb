import { expect, test } from 'vitest'
import { ABSENT, Tokens } from '../../../src/memory/tokens.ts'

const KEY = 'profile:1'

function setup() {
  const tokens = new Tokens()
  return { tokens, token: tokens.open(KEY, 0) }
}

test('a reply may be stored when nothing happened while it was under way', () => {
  const { tokens, token } = setup()
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test('a reply may be stored when the version that was told of is the one it brings', () => {
  const { tokens, token } = setup()
  tokens.tell(KEY, '7')
  tokens.tell(KEY, '7')
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test('a reply may not be stored when another version of its key was told of', () => {
  const { tokens, token } = setup()
  tokens.tell(KEY, '8')
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(token, '9')).toBe(false)
})

test('news of another key do not matter', () => {
  const { tokens, token } = setup()
  tokens.tell('profile:2', '8')
  expect(tokens.mayStore(token, '7')).toBe(true)
})

test.each([
  ['8', '9'],
  ['9', '8'],
  ['8', ABSENT],
])(
  'of two versions nobody knows which is outdated: told of %s and %s, a token keeps out every reply',
  (...both) => {
    const { tokens, token } = setup()
    for (const version of both) tokens.tell(KEY, version)
    for (const version of ['7', '8', '9']) expect(tokens.mayStore(token, version)).toBe(false)
  },
)

test('a contradicted token keeps out every reply, whatever is told of afterwards', () => {
  const { tokens, token } = setup()
  tokens.contradict(KEY)
  tokens.tell(KEY, '7')
  expect(tokens.mayStore(token, '7')).toBe(false)
})

test('a new epoch keeps out every reply under way', () => {
  const { tokens, token } = setup()
  tokens.newEpoch()
  expect(tokens.mayStore(token, '7')).toBe(false)
  expect(tokens.mayStore(tokens.open(KEY, 0), '7')).toBe(true)
})

test('what happens after a token was closed concerns the others only', () => {
  const { tokens, token: first } = setup()
  const second = tokens.open(KEY, 0)
  const third = tokens.open(KEY, 0)
  tokens.close(second)
  tokens.close(second)
  tokens.tell(KEY, '8')
  expect(tokens.mayStore(first, '8')).toBe(true)
  expect(tokens.mayStore(third, '7')).toBe(false)
  expect(tokens.mayStore(second, '8')).toBe(false)
})

test.each([
  [0, 1, 2],
  [2, 1, 0],
  [1, 0, 2],
  [1, 2, 0],
])('nothing is kept of a key once its tokens are closed, in the order %i %i %i', (...order) => {
  const tokens = new Tokens()
  const opened = [tokens.open(KEY, 0), tokens.open(KEY, 0), tokens.open(KEY, 0)]
  for (const i of order) {
    const token = opened[i]
    if (token !== undefined) tokens.close(token)
  }
  expect(tokens.openKeys).toBe(0)
})
