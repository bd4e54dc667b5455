'use strict'

const { status } = require('@grpc/grpc-js')

const TEMPORARY = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED', 'INTERNAL'])

class PostilionError extends Error {
  constructor (message, { code, reason = '', fields = [], remedy = '', retryAfter, cause } = {}) {
    super(!remedy || message.includes(remedy) ? message : `${message}: ${remedy}`, { cause })
    this.name = 'PostilionError'
    this.code = code
    this.reason = reason
    this.fields = fields
    this.remedy = remedy
    this.retryAfter = retryAfter
  }

  get temporary () { return TEMPORARY.has(this.code) || this.retryAfter !== undefined }
}

// Reads the error of a call.
function fromService (error, api) {
  const code = status[error.code] || 'UNKNOWN'
  const message = (error.details || error.message).replace(/ Resolution note: $/, '')
  for (const whole of error.metadata?.get('grpc-status-details-bin') || []) {
    for (const [number, body] of fields(whole)) {
      // google.rpc.Status has google.protobuf.Any in field 3, and that the
      // type in field 1 and the value in field 2.
      const any = number === 3 ? new Map(fields(body)) : new Map()
      if (!any.get(1)?.toString().endsWith('/postilion.v1.ErrorDetail')) continue
      const detail = api.ErrorDetail.deserialize(any.get(2) || Buffer.alloc(0))
      const wait = detail.retryAfter
      return new PostilionError(message, {
        code, reason: detail.reason, fields: detail.fields, remedy: detail.remedy, cause: error,
        ...(wait && { retryAfter: Number(wait.seconds) * 1000 + wait.nanos / 1e6 })
      })
    }
  }
  return new PostilionError(message, { code, cause: error })
}

// Gives the length-delimited fields of an encoded message.
function * fields (message) {
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; at < message.length && shift < 35; shift += 7) {
      const octet = message[at++]
      value += (octet & 0x7f) * 2 ** shift
      if (octet < 0x80) break
    }
    return value
  }
  while (at < message.length) {
    const tag = varint()
    if ((tag & 7) === 0) {
      varint()
    } else if ((tag & 7) === 2) {
      const length = varint()
      if (at + length > message.length) return
      yield [tag >>> 3, message.subarray(at, at + length)]
      at += length
    } else {
      return
    }
  }
}

module.exports = { PostilionError, fromService, fields }
