// Asks before something that cannot be undone.

import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'

/** Only `y` and `yes` are consent; Ctrl-C and Ctrl-D are not. */
export async function confirm(
  question: string,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stderr,
): Promise<boolean> {
  const terminal = createInterface({ input, output })
  try {
    const closed = once(terminal, 'close').then(() => 'no')
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed])
    return /^(?:y|yes)$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
