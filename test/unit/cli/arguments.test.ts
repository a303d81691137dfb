import { describe, expect, it } from 'vitest'
import { parseArguments, UsageError } from '../../../src/cli/arguments.ts'

const parse = (line: string, environment: NodeJS.ProcessEnv = {}): ReturnType<typeof parseArguments> =>
  parseArguments(line.split(' ').filter(Boolean), environment)

describe('the arguments of the command', () => {
  it('become the options of a cache', () => {
    const { name, options } = parse(
      'migrate --url postgres://a/b --schema s --prefix p_ --channel c --durability logged',
    )
    expect(name).toBe('migrate')
    expect(options).toMatchObject({
      connectionString: 'postgres://a/b',
      schema: 's',
      schemaPrefix: 'p_',
      notifyChannel: 'c',
      durability: 'logged',
    })
  })

  it('name the server before DATABASE_URL does, and that before the PG* variables', () => {
    const environment = { DATABASE_URL: 'postgres://from/environment' }
    expect(parse('status --url postgres://a/b', environment).options.connectionString).toBe('postgres://a/b')
    expect(parse('status', environment).options.connectionString).toBe('postgres://from/environment')
    expect(parse('status', { DATABASE_URL: '' }).options.connectionString).toBeUndefined()
  })

  it('ask for help or the version anywhere', () => {
    expect(parse('--help').name).toBe('help')
    expect(parse('drop -h').name).toBe('help')
    expect(parse('--version').name).toBe('version')
    expect(parse('-v').name).toBe('version')
  })

  it.each([
    ['', 'no command given'],
    ['statsu', "unknown command 'statsu': did you mean 'status'?"],
    ['frobnicate', 'see postgres-cache --help'],
    ['status now', "unexpected argument 'now'"],
    ['status --nope', "Unknown option '--nope': see postgres-cache --help"],
    ['status -x', "Unknown option '-x': see postgres-cache --help"],
    ['status --schemaPrefix foo_', "Unknown option '--schemaPrefix': did you mean '--prefix'?"],
    ['status --connectionString=a', "Unknown option '--connectionString': did you mean '--url'?"],
    ['status --prefxi foo_', "Unknown option '--prefxi': did you mean '--prefix'?"],
    ['status --toString', "Unknown option '--toString': see postgres-cache --help"],
    ['status --schema', "'--schema <value>' argument missing"],
    ['sql --url postgres://a/b', 'sql takes no --url'],
    ['prune --yes', 'prune takes no --yes'],
    ['drop --json', 'drop takes no --json'],
  ])('are refused when they make no sense: %s', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError)
    expect(() => parse(line)).toThrow(message)
  })
})
