import type { Client, ClientOptions } from './index'

export interface TransportOptions extends ClientOptions {
  /** One of your own, in the place of the other options; it is not closed. */
  client?: Client
  /** Name of the connection that mail goes through. */
  connection?: string
  tags?: string[]
}

/** A transport for nodemailer.createTransport. */
export class PostilionTransport {
  constructor (options?: TransportOptions)
  readonly name: string
  readonly version: string
  send (mail: any, done: (error: Error | null, info?: any) => void): void
  verify (): Promise<true>
  verify (done: (error: Error | null, ok?: true) => void): void
  isIdle (): boolean
  close (): void
}

export function createTransport (options?: TransportOptions): PostilionTransport
