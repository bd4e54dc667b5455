'use strict'

// Makes requests of what applications give.
const sendRequest = {
  message (m) {
    const out = { ...m }
    for (const name of ['to', 'cc', 'bcc', 'replyTo']) if (m[name] !== undefined) out[name] = addresses(m[name])
    for (const name of ['from', 'sender']) if (m[name] !== undefined) out[name] = address(m[name])
    if (m.headers && !Array.isArray(m.headers)) {
      out.headers = Object.entries(m.headers).map(([name, value]) => ({ name, value }))
    }
    if (m.attachments) out.attachments = m.attachments.map((a) => ({ ...a, content: Buffer.from(a.content) }))
    if (m.date) out.date = timestamp(m.date)
    return out
  },

  raw (content, envelope) {
    const out = { content: Buffer.from(content) }
    if (envelope) {
      out.envelope = { recipients: (envelope.to || []).map((r) => ({ address: r })) }
      if (envelope.from !== undefined) out.envelope.from = envelope.from
    }
    return out
  },

  options ({ wait, sendAt, expiresAfter, ...options }) {
    if (wait) options.wait = duration(wait)
    if (sendAt) options.sendAt = timestamp(sendAt)
    if (expiresAfter !== undefined) options.expiresAfter = duration(expiresAfter)
    return options
  }
}

function addresses (list) { return (Array.isArray(list) ? list : [list]).map(address) }

function address (a) { return typeof a === 'string' ? { address: a } : a }

function duration (ms) { return { seconds: Math.floor(ms / 1000), nanos: Math.round(ms % 1000 * 1e6) } }

function timestamp (date) { return duration(date.getTime()) }

module.exports = { sendRequest }
