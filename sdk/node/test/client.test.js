'use strict'

// Runs against a real daemon, whose sockets the environment names: see
// node_test.go.

const assert = require('node:assert/strict')
const { test, after } = require('node:test')
const nodemailer = require('nodemailer')
const { Client, PostilionError } = require('..')
const { fields } = require('../lib/error')
const { createTransport } = require('../lib/nodemailer')

const target = process.env.POSTILION_TEST_ADMIN
const client = new Client({ target })
after(() => client.close())

const letter = (more) => ({ from: { address: 'shop@example.com', name: 'Shöp' }, to: 'jane@example.org', subject: 'Grüße', text: 'Hello\n', ...more })

async function stored (answer) {
  return (await client.messages.getMessage({ id: answer.id, view: 'MESSAGE_VIEW_CONTENT' })).message
}

test('a message is accepted once', async () => {
  const message = letter({
    to: [{ address: 'jane@example.org', name: 'Jané, A.' }, 'joe@example.org'], bcc: ['boss@example.org'], html: '<p>Hello</p>',
    attachments: [{ filename: 'a.txt', content: 'text', contentType: 'text/plain' }], headers: { 'X-Kind': 'receipt' },
    listUnsubscribe: { urls: ['https://example.com/leave'], oneClick: true }
  })
  const options = { idempotencyKey: 'node', tags: ['node'], metadata: { order: '1' }, keepContent: true }
  const answer = await client.send(message, { ...options, wait: 30000 })
  assert.equal(answer.replayed, false)
  const again = await client.send(message, options)
  assert.deepEqual([again.id, again.replayed], [answer.id, true])
  const found = await stored(answer)
  assert.deepEqual(found.recipients.map((r) => r.address), ['jane@example.org', 'joe@example.org', 'boss@example.org'])
  assert.deepEqual([found.subject, found.tags, found.metadata], ['Grüße', ['node'], { order: '1' }])
  for (const text of ['X-Kind: receipt', 'List-Unsubscribe-Post:', 'multipart/alternative', 'filename=a.txt']) {
    assert.ok(found.content.includes(text), text)
  }
  assert.ok(!found.content.includes('boss@example.org'))
  assert.equal((await client.message(answer.id)).id, answer.id)
  assert.ok((await client.listMessages({ tag: 'node' })).some((m) => m.id === answer.id))
})

test('raw content keeps its envelope', async () => {
  const answer = await client.sendRaw('From: a@example.com\nTo: list@example.org\nSubject: raw\n\nx\n', { from: '', to: ['real@example.org'] })
  assert.deepEqual((await client.message(answer.id)).recipients.map((r) => r.address), ['real@example.org'])
})

test('a field at fault is named', async () => {
  await assert.rejects(client.send(letter({ to: ['jane@example.org', 'no address'] })), (error) => {
    assert.ok(error instanceof PostilionError)
    assert.deepEqual([error.code, error.fields, error.temporary], ['INVALID_ARGUMENT', ['message.to[1].address'], false])
    return true
  })
  await client.send(letter(), { idempotencyKey: 'node-two' })
  await assert.rejects(client.send(letter({ subject: 'another' }), { idempotencyKey: 'node-two' }), { code: 'ALREADY_EXISTS' })
})

test('a connection is configured and tested', async () => {
  const made = await client.configure({ name: 'node', custom: { transport: 'capture' } })
  assert.equal(made.created, true)
  assert.equal((await client.testConnection('node')).ok, true)
  await assert.rejects(client.testConnection('none'), { code: 'NOT_FOUND' })
})

test('events come, and end when they are not wanted', async () => {
  const answer = await client.send(letter({ subject: 'watched' }))
  const control = new AbortController()
  let seen = false
  for await (const event of client.events({ afterSequence: 0, signal: control.signal })) {
    if (event.id === answer.id && event.type === 'EVENT_TYPE_SENT') {
      seen = true
      control.abort()
    }
  }
  assert.ok(seen)
})

test('a wrong token is told', async () => {
  const other = new Client({ target: process.env.POSTILION_TEST_ADDRESS, token: 'wrong' })
  await assert.rejects(other.send(letter()), { code: 'UNAUTHENTICATED' })
  other.close()
})

test('the public socket needs none', async () => {
  const other = new Client({ target: process.env.POSTILION_TEST_SOCKET.replace('.sock', '-http.sock') })
  assert.equal((await other.serverInfo()).client, 'local')
  other.close()
})

test('no daemon is told within the time', async () => {
  const other = new Client({ target: '/none/none.sock', timeout: 500 })
  await assert.rejects(other.send(letter()), (error) => error.temporary && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code))
  other.close()
})

test('a token does not travel in the clear', () => {
  assert.throws(() => new Client({ target: 'mail.example.com:9125', token: 'secret' }), TypeError)
  assert.throws(() => new Client({ target: 'nonsense' }), TypeError)
})

test('details that are cut off are no details', () => {
  assert.deepEqual([...fields(Buffer.from([0x1a, 0x7f, 0x0a]))], [])
  assert.deepEqual([...fields(Buffer.alloc(20, 0xff))], [])
})

test('nodemailer', async () => {
  const mailer = nodemailer.createTransport(createTransport({ client }))
  assert.equal(await mailer.verify(), true)
  const info = await mailer.sendMail({
    from: 'Shop <shop@example.com>', to: 'Jané <jane@example.org>', bcc: 'boss@example.org', subject: 'By Nodemailer: Grüße',
    text: 'text', html: '<p>html</p>', attachments: [{ filename: 'a.txt', content: 'text' }]
  })
  assert.deepEqual(info.accepted.toSorted?.() ?? [...info.accepted].sort(), ['boss@example.org', 'jane@example.org'])
  const found = await stored(info)
  assert.equal(found.subject, 'By Nodemailer: Grüße')
  assert.deepEqual(found.recipients.map((r) => r.address).sort(), ['boss@example.org', 'jane@example.org'])
  await assert.rejects(mailer.sendMail({ to: 'b@example.com', text: 'x', envelope: { from: 'a@example.com', to: [] } }), { code: 'EENVELOPE' })
  const away = nodemailer.createTransport(createTransport({ target: '/none/none.sock', timeout: 300 }))
  await assert.rejects(away.sendMail({ from: 'a@example.com', to: 'b@example.com', text: 'x' }), PostilionError)
  away.close()
})
