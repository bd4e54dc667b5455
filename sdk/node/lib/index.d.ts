import type { ChannelCredentials } from '@grpc/grpc-js'

/** Where the daemon of a system service takes gRPC calls. */
export const DEFAULT_SOCKET: string

export interface ClientOptions {
  /**
   * "unix:///path/of/socket", "/path/of/socket" or "host:port". By default the
   * environment's POSTILION_ADDRESS, else its POSTILION_SOCKET, else
   * DEFAULT_SOCKET. The name of the socket for JSON, "x-http.sock", stands for
   * "x.sock" beside it.
   */
  target?: string
  /**
   * By default that of POSTILION_TOKEN, or of the file POSTILION_TOKEN_FILE. On
   * a Unix socket none is needed where the daemon knows the process's user.
   */
  token?: string
  /** How many milliseconds a call may take; 5000 by default. */
  timeout?: number
  /** For a daemon on another machine. */
  credentials?: ChannelCredentials
}

/** An address, or one with a display name. */
export type Mailbox = string | { address: string, name?: string }

export interface Attachment {
  filename: string
  content: Buffer | Uint8Array | string
  contentType?: string
  /** The HTML refers to it as "cid:<contentId>". */
  contentId?: string
  inline?: boolean
}

/** A message that Postilion composes. */
export interface Message {
  /** The connection's From address by default. */
  from?: Mailbox
  sender?: Mailbox
  to?: Mailbox | Mailbox[]
  cc?: Mailbox | Mailbox[]
  bcc?: Mailbox | Mailbox[]
  replyTo?: Mailbox | Mailbox[]
  subject?: string
  text?: string
  html?: string
  attachments?: Attachment[]
  headers?: Record<string, string> | Array<{ name: string, value: string }>
  listUnsubscribe?: { urls: string[], oneClick?: boolean }
  importance?: 'IMPORTANCE_HIGH' | 'IMPORTANCE_NORMAL' | 'IMPORTANCE_LOW'
  date?: Date
  messageId?: string
  inReplyTo?: string
  references?: string[]
}

export interface Envelope {
  /** Where bounces go; empty for the null reverse-path. Taken from the header if absent. */
  from?: string
  /** Taken from the header if there are none. */
  to?: string[]
}

export interface SendOptions {
  /** Name of the connection; by default the routes decide. */
  connection?: string
  /** Makes a repetition safe; one is made if there is none. */
  idempotencyKey?: string
  /** Milliseconds to wait for the first outcome; 0 answers when the message is stored. */
  wait?: number
  sendAt?: Date
  /** Milliseconds that it is worth trying. */
  expiresAfter?: number
  priority?: 'PRIORITY_HIGH' | 'PRIORITY_NORMAL' | 'PRIORITY_BULK'
  tags?: string[]
  metadata?: Record<string, string>
  keepContent?: boolean
  notifySender?: boolean
  origin?: string
}

export interface Outcome {
  class: string
  blame: string
  code: number
  enhancedCode: string
  reply: string
  phase: string
}

export interface RecipientStatus {
  address: string
  state: string
  outcome: Outcome | null
  attempts: number
  possibleDuplicate: boolean
  connection: string
  reason: string
}

export interface SendResponse {
  id: string
  messageId: string
  state: string
  recipients: RecipientStatus[]
  replayed: boolean
  connection: string
}

/** An answer of the API as the comments in proto/postilion/v1 say, with names in camelCase. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Answer = any

export interface CallOptions { timeout?: number, waitForReady?: boolean }

/** The unary methods of a service: proto/postilion/v1 says what they take and give. */
export interface Service {
  [method: string]: (request?: object, options?: CallOptions) => Promise<Answer>
}

export interface Event {
  sequence: number
  type: string
  id: string
  messageId: string
  recipient: string
  [field: string]: Answer
}

/** Talks to one daemon; an application needs one. Its methods reject with PostilionError. */
export class Client {
  constructor (options?: ClientOptions)
  readonly target: string
  /**
   * Hands over a message. When it resolves, the message is on stable storage
   * and will be delivered, or fail visibly; when it rejects, it was not
   * accepted, unless the answer was lost. The call is repeated once if the
   * daemon was away for a moment.
   */
  send (message: Message, options?: SendOptions): Promise<SendResponse>
  /** Hands over a message that is composed already (RFC 5322). */
  sendRaw (content: Buffer | Uint8Array | string, envelope?: Envelope, options?: SendOptions): Promise<SendResponse>
  /** Creates or replaces a connection, or changes the fields of updateMask. */
  configure (connection: object, options?: { updateMask?: string[], etag?: string, setDefault?: boolean, validateOnly?: boolean }): Promise<Answer>
  /** Tests a connection by its name, or a draft. A test that failed is an answer. */
  testConnection (target: string | object, options?: { sendTo?: string, sender?: string, recipient?: string, checkDomain?: boolean }): Promise<Answer>
  /** Gives a message with its attempts. */
  message (id: string): Promise<Answer>
  /** Gives the newest messages; the filter has the fields of ListMessagesRequest. */
  listMessages (filter?: object): Promise<Answer[]>
  /** Follows the events, without end: those after a sequence number, or from now on. */
  events (options?: { afterSequence?: number, signal?: AbortSignal }): AsyncGenerator<Event, void>
  serverInfo (): Promise<Answer>
  close (): void
  readonly mailer: Service
  readonly connections: Service
  readonly messages: Service
  readonly admin: Service
}

/** What the daemon, or the way to it, has against a call. */
export class PostilionError extends Error {
  /** Name of the gRPC status, such as "INVALID_ARGUMENT". */
  readonly code: string
  /** A stable name such as "secret_required"; empty if the daemon gave none. */
  readonly reason: string
  /** Paths of the request's fields that are at fault, such as "message.to[2].address". */
  readonly fields: string[]
  /** What to do, a sentence. */
  readonly remedy: string
  /** In how many milliseconds it makes sense to try again. */
  readonly retryAfter?: number
  /** Whether the same call can succeed later. */
  readonly temporary: boolean
}
