// Compiled, not run: the declarations are what the program takes.
import { Client, PostilionError, type Message } from '../lib/index.js'
import { createTransport } from '../lib/nodemailer.js'

export async function use (): Promise<string> {
  const client = new Client({ target: '/run/postilion/postilion.sock', timeout: 1000 })
  const message: Message = { to: { address: 'jane@example.org', name: 'Jane' }, subject: 'x', text: 'y' }
  try {
    const answer = await client.send(message, { wait: 5000, tags: ['order'] })
    for await (const event of client.events({ afterSequence: 0 })) if (event.id === answer.id) break
    return answer.recipients[0].address
  } catch (error) {
    if (error instanceof PostilionError && error.temporary) return error.fields.join()
    throw error
  } finally {
    createTransport({ client }).close()
    client.close()
  }
}
// @ts-expect-error a message has no such field
export const wrong: Message = { subjekt: 'x' }
