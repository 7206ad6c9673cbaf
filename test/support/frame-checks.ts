import { Ajv, type ValidateFunction } from 'ajv';
import { describeSocket } from '../../src/admin/describe-socket.js';
import { SERVER_DATA } from '../../src/admin/frame-schemas.js';
import { closed } from './closed-schema.js';

const TIME = /^[+\d]\d{3,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const ajv = new Ajv({ strict: false, formats: { 'date-time': TIME } });
const { messages } = describeSocket().components;
/** By the event. A test needs few of them, and compiling one takes 10 ms. */
const checks = new Map<string, ValidateFunction>();

function checkOf(event: string): ValidateFunction | undefined {
  if (!checks.has(event) && Object.hasOwn(SERVER_DATA, event))
    checks.set(event, ajv.compile(closed(messages[event]!.payload)));
  return checks.get(event);
}

/** Returns why a frame of the server is not one of the AsyncAPI document; null if it is, with exactly its fields. */
export function flawOf(text: string): string | null {
  const frame = JSON.parse(text) as { event: string };
  const check = checkOf(frame.event);
  if (check?.(frame)) return null;
  return `${check ? ajv.errorsText(check.errors) : 'no such event'}: ${text.slice(0, 300)}`;
}
