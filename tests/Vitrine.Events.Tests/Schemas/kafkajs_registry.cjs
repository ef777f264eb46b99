// Encodes and decodes with npm's @kafkajs/confluent-schema-registry: a JSON line in, a JSON line out.
// Arguments: the folder whose node_modules has it, the registry's address.
const { createRequire } = require('node:module')
const path = require('node:path')
const readline = require('node:readline')

const [folder, host] = process.argv.slice(2)
const { SchemaRegistry } = createRequire(path.join(folder, 'package.json'))('@kafkajs/confluent-schema-registry')
const registry = new SchemaRegistry({ host })

async function answer({ id, value, bytes }) {
  if (bytes === undefined) {
    return { bytes: (await registry.encode(id, value)).toString('hex') }
  }
  return { value: await registry.decode(Buffer.from(bytes, 'hex')) }
}

;(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))))
  }
})().catch((error) => {
  console.error(error)
  process.exit(1)
})
