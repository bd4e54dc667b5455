#!/usr/bin/env node
'use strict'

// Sends a mail by Nodemailer: examples/nodemailer/run.sh you@example.com

const nodemailer = require('nodemailer')
const { createTransport } = require('postilion/nodemailer')

const mailer = nodemailer.createTransport(createTransport({ timeout: 60000 }))

mailer.sendMail({
  from: 'Shop <shop@example.com>',
  to: process.argv[2],
  subject: 'Your order, with greetings from Nodemailer: Grüße',
  text: 'Thank you for your order.\n',
  html: '<p>Thank you for your order.</p>',
  attachments: [{ filename: 'invoice.txt', content: '12.50 EUR\n' }]
}).then((info) => {
  console.log('accepted', info.id)
}, (error) => {
  console.error('not accepted:', error.code, error.message)
  process.exitCode = 1
}).finally(() => mailer.close())
