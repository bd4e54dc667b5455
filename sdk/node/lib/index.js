'use strict'

// The client of one daemon; index.d.ts is its documentation.

const { randomUUID } = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')
const { PostilionError, fromService } = require('./error')
const { sendRequest } = require('./message')

const DEFAULT_SOCKET = '/run/postilion/postilion.sock'
const MAX_MESSAGE = 64 << 20 // octets, above the largest content that a daemon can be configured for
const RETRY_PAUSE = 100 // ms

const services = ['admin', 'connection', 'mailer', 'message', 'plugin'].map((name) => `postilion/v1/${name}.proto`)
const api = grpc.loadPackageDefinition(loader.loadSync(services, {
  includeDirs: [path.join(__dirname, 'proto')], longs: Number, enums: String, defaults: true, oneofs: true
})).postilion.v1

class Client {
  constructor (options = {}) {
    const { target, local } = resolve(options.target || defaultTarget())
    const token = options.token || defaultToken()
    if (token && !local && !options.credentials) {
      throw new TypeError(`${target} is not on this machine and the token would travel in the clear; give credentials`)
    }
    this.target = target
    this.timeout = options.timeout ?? 5000
    this._token = token
    const credentials = options.credentials || grpc.credentials.createInsecure()
    const channel = {
      'grpc.max_receive_message_length': MAX_MESSAGE,
      'grpc.max_send_message_length': MAX_MESSAGE,
      'grpc.enable_http_proxy': 0, // mail stays between application and daemon
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 2000
    }
    // Without it gRPC names the socket's path as host, which some servers
    // refuse.
    if (local) channel['grpc.default_authority'] = 'localhost'
    this._channel = new grpc.Channel(target, credentials, channel)
    const stub = (Service) => this._promises(new Service(target, credentials, { channelOverride: this._channel }))
    this.mailer = stub(api.MailerService)
    this.connections = stub(api.ConnectionService)
    this.messages = stub(api.MessageService)
    this.admin = stub(api.AdminService)
  }

  send (message, options) { return this._send({ message: sendRequest.message(message) }, options) }

  sendRaw (content, envelope, options) { return this._send({ raw: sendRequest.raw(content, envelope) }, options) }

  async _send (content, options = {}) {
    const request = { ...content, ...sendRequest.options(options) }
    request.idempotencyKey ||= randomUUID()
    const more = options.wait || 0
    const late = Date.now() + this.timeout
    try {
      return await this.mailer.send(request, { timeout: this.timeout + more })
    } catch (error) {
      const pause = Math.max(error.retryAfter || 0, RETRY_PAUSE)
      const rest = late - Date.now() - pause
      if (error.code !== 'UNAVAILABLE' || rest <= 0) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
      return this.mailer.send(request, { timeout: rest + more, waitForReady: true })
    }
  }

  async configure (connection, { updateMask, ...options } = {}) {
    return this.mailer.configure({ connection, ...options, ...(updateMask && { updateMask: { paths: updateMask } }) })
  }

  testConnection (target, options = {}) {
    const which = typeof target === 'string' ? { name: target } : { draft: target }
    return this.mailer.testConnection({ ...which, ...options }, { timeout: Math.max(this.timeout, 35000) })
  }

  async message (id) { return (await this.messages.getMessage({ id, view: 'MESSAGE_VIEW_FULL' })).message }

  async listMessages (filter = {}) { return (await this.messages.listMessages(filter)).messages }

  serverInfo () { return this.admin.getServerInfo({}) }

  async * events ({ afterSequence, signal } = {}) {
    const call = this.messages._stub.WatchEvents(afterSequence === undefined ? {} : { afterSequence }, this._metadata())
    const stop = () => call.cancel()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      for await (const answer of call) yield answer.event
    } catch (error) {
      if (!signal?.aborted) throw fromService(error, api)
    } finally {
      signal?.removeEventListener('abort', stop)
      call.cancel()
    }
  }

  close () { this._channel.close() }

  _metadata (options = {}) {
    const metadata = new grpc.Metadata({ waitForReady: Boolean(options.waitForReady) })
    if (this._token) metadata.set('authorization', 'Bearer ' + this._token)
    return metadata
  }

  // Gives the unary methods of a stub in lower case, with promises.
  _promises (stub) {
    const methods = { _stub: stub }
    for (const definition of Object.values(Object.getPrototypeOf(stub).constructor.service)) {
      if (definition.requestStream || definition.responseStream) continue
      const name = definition.path.slice(definition.path.lastIndexOf('/') + 1)
      methods[name[0].toLowerCase() + name.slice(1)] = (request = {}, options = {}) => new Promise((resolve, reject) => {
        const deadline = Date.now() + (options.timeout ?? this.timeout)
        stub[name](request, this._metadata(options), { deadline }, (error, answer) => {
          if (error) reject(fromService(error, api))
          else resolve(answer)
        })
      })
    }
    return methods
  }
}

function defaultTarget () {
  return process.env.POSTILION_ADDRESS || process.env.POSTILION_SOCKET || DEFAULT_SOCKET
}

function defaultToken () {
  if (process.env.POSTILION_TOKEN) return process.env.POSTILION_TOKEN
  const file = process.env.POSTILION_TOKEN_FILE
  return file ? fs.readFileSync(file, 'ascii').trim() : ''
}

// Gives the target as gRPC takes it, and whether it is on this machine.
function resolve (target) {
  let file = target.startsWith('unix:') ? target.slice('unix:'.length) : target
  if (file.startsWith('//')) file = file.slice(2)
  if (file.includes('/')) {
    // Sendmail and PHP name the socket for JSON, which is beside ours.
    return { target: 'unix:' + path.resolve(file.replace(/-http\.sock$/, '.sock')), local: true }
  }
  const [, host, port] = /^(.*):([^:]+)$/.exec(target) || []
  if (!port) throw new TypeError(`target "${target}": give "unix:///path/of/socket" or "host:port"`)
  return { target: 'dns:///' + target, local: ['localhost', '127.0.0.1', '[::1]'].includes(host) }
}

module.exports = { Client, PostilionError, DEFAULT_SOCKET }
