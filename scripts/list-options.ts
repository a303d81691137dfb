// Writes docs/options.md from the types and docstrings of the options. With --check it only tells whether the committed page is current.
// The compiler's interface is not stable yet: package.json pins its version.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type InterfaceDeclaration,
  isInterfaceDeclaration,
  isMethodSignatureDeclaration,
  isPropertySignatureDeclaration,
} from 'typescript/unstable/ast'
import { API, type Project, type Symbol, type Type } from 'typescript/unstable/sync'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const PAGE = new URL('../docs/options.md', import.meta.url)

/** The interfaces that declare options, in the order of the page. */
const SECTIONS: readonly (readonly [heading: string, ...declaredBy: string[]])[] = [
  ['Of a cache', 'CacheOptions', 'PoolBounds', 'LocalOptions', 'StoreOptions', 'AuditOptions'],
  ['Of loads', 'LoadOptions'],
  ['Of entries', 'EntryOptions'],
  ['Of a namespace', 'NamespaceDefaults'],
  ['Of reads and loads', 'CallOptions', 'GetOptions', 'ReadThroughOptions', 'WrapKey'],
  ['Of other calls', 'IncrementOptions', 'ScanOptions', 'WatchOptions'],
]
/** In the type of an option that has options of its own. */
const OPTIONS_WITHIN = /\b\w+(?:Bounds|Options)\b/

const INTRODUCTION = `# Options

<!-- Made by \`npm run docs:options\` from the docstrings in src: change those. -->

Every option, and where it can be given. What a call leaves out, or sets to \`undefined\`, its namespace decides, then the cache, then the default.
Wrong names, wrong values and combinations that can have no effect are refused with a message that names option, rule and value: by the constructor
and by \`namespace()\` at once, by a call with a rejection. A call that the local cache answers looks only at
\`fresh\`, \`force\`, \`local\` and \`signal\`: other mistakes show on the first miss.

A **duration** is a number of milliseconds, or a number with a unit: \`'300ms'\`, \`'30s'\`, \`'5m'\`, \`'2h'\`, \`'7d'\`, \`'1w'\`. Zero and negative ones are
refused. \`null\`, where it is allowed, means for ever or not at all, as the option says. A ttl is at most 100 years, a timeout or interval 24 days.
`

interface Option {
  /** With the name of the option that it is within: `pool.max`. */
  readonly name: string
  readonly declaredBy: string
  readonly type: string
  readonly tags: ReadonlyMap<string, string>
  readonly meaning: string
  readonly givenTo: Set<string>
}

class OptionList {
  readonly #project: Project
  readonly #options = new Map<string, Option>()
  readonly #calls = new Set<string>()

  constructor(project: Project) {
    this.#project = project
    this.#addType(this.#typeOf(this.#interface('CacheOptions')), 'the cache')
    this.#addType(this.#typeOf(this.#interface('NamespaceDefaults')), 'a namespace')
    for (const call of this.#interface('Cache').members) {
      if (!isMethodSignatureDeclaration(call)) continue
      for (const { name, type } of call.parameters) {
        if (type === undefined || name.getText() !== 'options') continue
        this.#calls.add(call.name.getText())
        const given = project.checker.getTypeFromTypeNode(type)
        if (given !== undefined) this.#addType(given, `\`${call.name.getText()}\``)
      }
    }
  }

  /** Throws for options that no section lists, and for those that lack a docstring or a unit. */
  render(): string {
    const rest = new Set(this.#options.values())
    const sections = SECTIONS.map(([heading, ...declaredBy]) => {
      const listed = [...rest].filter((option) => declaredBy.includes(option.declaredBy))
      for (const option of listed) rest.delete(option)
      return `\n## ${heading}\n${listed.map((option) => this.#renderOption(option)).join('')}`
    })
    for (const { name, declaredBy } of rest) throw new Error(`no section lists ${name} of ${declaredBy}`)
    return INTRODUCTION + sections.join('')
  }

  #renderOption({ name, declaredBy, type, tags, meaning, givenTo }: Option): string {
    const unit = tags.get('unit')
    const fallback = tags.get('default')
    if (/\bnumber\b/.test(type) && unit === undefined)
      throw new Error(`${name} of ${declaredBy} has no @unit`)
    if (meaning === '') throw new Error(`${name} of ${declaredBy} has no docstring`)
    const facts = [
      `\`${type}\``,
      ...(unit === undefined || unit === 'none' ? [] : [unit]),
      ...(fallback === undefined ? [] : [`default: ${isCode(fallback) ? `\`${fallback}\`` : fallback}`]),
      `given to ${this.#places(givenTo)}`,
    ]
    return `\n### \`${name}\`\n\n${facts.join(' · ')}\n\n${meaning}\n`
  }

  #places(givenTo: ReadonlySet<string>): string {
    const without = [...this.#calls].filter((call) => !givenTo.has(`\`${call}\``))
    if (without.length > 3) return toSentence([...givenTo])
    const but = without.length === 0 ? '' : ` but ${toSentence(without.map((call) => `\`${call}\``))}`
    return `every call with options${but}`
  }

  #addType(type: Type, givenTo: string, within = ''): void {
    for (const symbol of this.#project.checker.getPropertiesOfType(type)) this.#add(symbol, givenTo, within)
  }

  #add(symbol: Symbol, givenTo: string, within: string): void {
    // A combination that is refused repeats members of the interface that documents them.
    const declaration = symbol.declarations
      .map((handle) => handle.resolve(this.#project))
      .filter((node) => node !== undefined)
      .filter(isPropertySignatureDeclaration)
      .find(({ parent }) => isInterfaceDeclaration(parent))
    if (declaration === undefined) return
    const declaredBy = (declaration.parent as InterfaceDeclaration).name.text
    const id = `${declaredBy}.${symbol.name}`
    const option = this.#options.get(id) ?? {
      name: within + symbol.name,
      declaredBy,
      type: (declaration.type?.getText() ?? '').replace(/ \| undefined$/, ''),
      tags: new Map(symbol.getJsDocTags(this.#project.checker).map(({ name, text = '' }) => [name, text])),
      meaning: symbol.getDocumentationComment(this.#project.checker),
      givenTo: new Set<string>(),
    }
    this.#options.set(id, option)
    option.givenTo.add(givenTo)
    const [inner] = OPTIONS_WITHIN.exec(option.type) ?? []
    if (inner !== undefined) this.#addType(this.#typeOf(this.#interface(inner)), givenTo, `${symbol.name}.`)
  }

  #interface(name: string): InterfaceDeclaration {
    const { program } = this.#project
    for (const path of program.getSourceFileNames()) {
      if (!path.startsWith(`${ROOT}src/`)) continue
      for (const statement of program.getSourceFile(path)?.statements ?? [])
        if (isInterfaceDeclaration(statement) && statement.name.text === name) return statement
    }
    throw new Error(`src declares no interface ${name}`)
  }

  #typeOf({ name }: InterfaceDeclaration): Type {
    const type = this.#project.checker.getTypeAtLocation(name)
    if (type === undefined) throw new Error(`${name.text} has no type`)
    return type
  }
}

/** Whether a documented default is a literal; the others are said in words. */
function isCode(text: string): boolean {
  return /^(?:'.*'|[\d.]+|true|false|null|\[.*\]|\{.*\})$/.test(text)
}

function toSentence(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

function renderPage(): string {
  const api = new API({ cwd: ROOT })
  try {
    const snapshot = api.updateSnapshot({ openProjects: [`${ROOT}tsconfig.build.json`] })
    const [project] = snapshot.getProjects()
    if (project === undefined) throw new Error('tsconfig.build.json is no project')
    return new OptionList(project).render()
  } finally {
    api.close()
  }
}

const rendered = renderPage()
if (!process.argv.includes('--check')) {
  writeFileSync(PAGE, rendered)
} else if (readFileSync(PAGE, 'utf8').replaceAll('\r\n', '\n') !== rendered) {
  console.error('docs/options.md is not what src says: run `npm run docs:options` and commit it')
  process.exitCode = 1
}
