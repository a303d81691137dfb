// A process that holds clients of one contender and does the jobs it is sent: its CPU time and its heap are the
// contender's alone. fleet.ts is the other end.

import { infoOf, type ContenderName } from './contenders.ts'
import type { Address, Contender } from './contender.ts'
import { failureText } from './failure-text.ts'
import { JOBS, type JobName } from './jobs.ts'

export type Request =
  | {
      readonly kind: 'open'
      readonly contender: ContenderName
      readonly address: Address
      readonly clients: number
    }
  | { readonly kind: 'run'; readonly job: JobName; readonly input: unknown }
  | { readonly kind: 'close' }

export type Reply = { readonly output: unknown } | { readonly error: string }

let contenders: readonly Contender[] = []

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case 'open':
      await open(request)
      return undefined
    case 'run':
      return run(request)
    case 'close':
      await Promise.all(contenders.map((contender) => contender.close()))
      return undefined
    default:
      throw new Error('an unknown request')
  }
}

async function open({ contender, address, clients }: Request & { kind: 'open' }): Promise<void> {
  const create = await infoOf(contender).load()
  contenders = Array.from({ length: clients }, () => create(address))
  await Promise.all(contenders.map((each) => each.connect()))
}

async function run({ job, input }: Request & { kind: 'run' }): Promise<unknown> {
  const work = JOBS[job] as (clients: readonly Contender[], input: unknown) => unknown
  const output = await work(contenders, input)
  const failure = contenders.map((contender) => contender.failure?.()).find((each) => each !== undefined)
  if (failure) throw new Error('a read failed and was hidden behind a miss', { cause: failure })
  return output
}

function reply(message: Reply): void {
  process.send?.(message)
}

process.on('message', (request: Request) => {
  answer(request).then(
    (output) => reply({ output }),
    (error: unknown) => reply({ error: failureText(error) }),
  )
})
// The parent is gone: so is the reason to be here.
process.on('disconnect', () => process.exit())
