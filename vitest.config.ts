import { configDefaults, type ViteUserConfig } from 'vitest/config'
import { mutantModules } from './test/model/mutant-modules.ts'

// With TEST_ROLE=application tests use the cache as a role that owns nothing: test/database.ts. What would tell nothing new then:
const NOT_AS_APPLICATION: Readonly<Record<string, string>> = {
  'test/{model,unit,types}/**': 'needs no server',
  'test/{architecture,embedded-postgres}.test.ts': 'needs no cache',
  'test/package/{package,node-types}.test.ts': 'needs no server',
  'test/docs/{links,reference}.test.ts': 'needs no server',
  'test/docs/{rights,roles,tenants}.test.ts': 'sets up roles of its own',
  'test/nodes/harness.test.ts': 'the harness installs what it breaks, on a server of its own',
  'test/postgres/{broken-when-opened,crash-under-load,idle,outage,reused-ids,tls,worlds}.test.ts':
    'starts, stops or crashes a server of its own, whose only role is a superuser',
}

const config: ViteUserConfig = {
  plugins: [mutantModules()],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      ...(process.env['TEST_ROLE'] === 'application' ? Object.keys(NOT_AS_APPLICATION) : []),
    ],
    globalSetup: 'test/server.ts',
    setupFiles: 'test/end-of-file.ts',
    pool: 'forks',
    maxWorkers: 2,
    // Real processes, real time: a machine that is busy with others may miss a deadline once, and a fault will not go away.
    retry: process.env.CI === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
}

export default config
