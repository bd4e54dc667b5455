'use strict'

const { version } = require('../package.json')
const { Client } = require('./index')

class PostilionTransport {
  constructor ({ client, connection = '', tags = [], ...options } = {}) {
    this.name = 'Postilion'
    this.version = version
    this._own = !client
    this._client = client || new Client(options)
    this._options = { connection, tags }
  }

  send (mail, done) {
    this._deliver(mail).then((info) => done(null, info), done)
  }

  async _deliver (mail) {
    const envelope = mail.message.getEnvelope()
    if (!envelope.to || envelope.to.length === 0) { // those of the header are not meant
      throw Object.assign(new Error('No recipients defined'), { code: 'EENVELOPE' })
    }
    const content = await new Promise((resolve, reject) => {
      mail.message.build((error, whole) => error ? reject(error) : resolve(whole))
    })
    const answer = await this._client.sendRaw(content, { from: envelope.from || '', to: envelope.to }, this._options)
    return {
      envelope, messageId: answer.messageId, id: answer.id, accepted: envelope.to, rejected: [], pending: [],
      response: `250 accepted as ${answer.id}`
    }
  }

  // Tells whether mail can be handed over now.
  verify (done) {
    const result = this._client.serverInfo().then(() => true)
    if (!done) return result
    result.then((ok) => done(null, ok), done)
  }

  isIdle () { return true }

  close () { if (this._own) this._client.close() }
}

module.exports = { createTransport: (options) => new PostilionTransport(options), PostilionTransport }
