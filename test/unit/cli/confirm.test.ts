import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { confirm } from '../../../src/cli/confirm.ts'

interface Asked {
  readonly consent: boolean
  readonly shown: string
}

async function ask(typed: string): Promise<Asked> {
  const output = new PassThrough()
  const consent = await confirm('Remove it?', new PassThrough().end(typed), output)
  return { consent, shown: String(output.read()) }
}

describe('a confirmation', () => {
  it('shows the question and what is the default', async () => {
    expect((await ask('y\n')).shown).toBe('Remove it? [y/N] ')
  })

  it.each(['y\n', 'Y\n', 'yes\n', ' yes \n'])('takes %j for consent', async (typed) => {
    expect((await ask(typed)).consent).toBe(true)
  })

  it.each(['\n', 'n\n', 'yess\n', 'no\ny\n', ''])('takes %j for a refusal', async (typed) => {
    expect((await ask(typed)).consent).toBe(false)
  })
})
