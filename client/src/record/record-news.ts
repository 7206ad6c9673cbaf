import type { WireMark, WireMessage } from '../../../src/protocol/wire.js';
import type { Answer, Question } from './questions.js';

/** What tabs tell each other of the record. */
export type RecordNews =
  /** For the tab that has the connection. */
  | { readonly kind: 'question'; readonly question: Question }
  /** The server has answered. */
  | { readonly kind: 'answer'; readonly question: Question; readonly answer: Answer }
  /** What this user has sent from another connection. */
  | { readonly kind: 'echo'; readonly message: WireMessage }
  | { readonly kind: 'mark'; readonly mark: WireMark }
  | { readonly kind: 'read'; readonly with: string; readonly upTo: string }
  | { readonly kind: 'recordMs'; readonly recordMs: number | null };
