import { HandshakeRefusal } from '../protocol/handshake-refusal.js';

/** What the operator is told of a refusal. */
export interface Complaint {
  /** One line of a kind is written a minute. */
  readonly kind: string;
  /** What is wrong and what to do. It names claims, fields and options, and never a value that a client sent. */
  readonly message: string;
  readonly level?: 'warn' | 'error';
  readonly stack?: string | undefined;
}

/** A refusal that goes to the log as well, because the operator has to act: the client can't. */
export class ReportedRefusal extends HandshakeRefusal {
  override readonly name = 'ReportedRefusal';

  constructor(
    { statusCode, code, message, headers }: HandshakeRefusal,
    readonly complaint: Complaint,
  ) {
    super(statusCode, code, message, headers);
  }
}
