import { HandshakeRefusal } from '../protocol/handshake-refusal.js';

/** The log line about a refusal. */
export interface Complaint {
  /** At most one line of each kind is logged per minute. */
  readonly kind: string;
  /**
   * What is wrong and what to do. It may name claims, fields and options, but never quotes a value that a client sent.
   */
  readonly message: string;
  readonly level?: 'warn' | 'error';
  readonly stack?: string | undefined;
}

/** A refusal that is logged as well, because only the operator can correct its cause. */
export class ReportedRefusal extends HandshakeRefusal {
  override readonly name = 'ReportedRefusal';

  constructor(
    { statusCode, code, message, headers }: HandshakeRefusal,
    readonly complaint: Complaint,
  ) {
    super(statusCode, code, message, headers);
  }
}
