/** What a typed line asks for. */
export type Line =
  | { readonly kind: 'send'; readonly to: string; readonly content: string }
  | { readonly kind: 'broadcast'; readonly content: string }
  | { readonly kind: 'help' | 'quit' | 'nothing' }
  | { readonly kind: 'mistake'; readonly why: string };

/**
 * Reads a line as the text protocol does [protocol 3.1]: `to|content`, `|content` for the last recipient, and anything
 * else is a broadcast. Where a person types, `/help` and `/quit` are commands, and an empty line is nothing.
 */
export function parseLine(line: string, lastRecipient: string | null, isTyped: boolean): Line {
  if (isTyped && line.trim() === '') return { kind: 'nothing' };
  const bar = line.indexOf('|');
  if (bar < 0)
    return isTyped && line.startsWith('/') ? parseCommand(line.trim()) : { kind: 'broadcast', content: line };
  const to = line.slice(0, bar).trim() || lastRecipient;
  if (to === null) return { kind: 'mistake', why: 'there is no last recipient yet; write NAME|TEXT' };
  return { kind: 'send', to, content: line.slice(bar + 1) };
}

function parseCommand(text: string): Line {
  if (text === '/help') return { kind: 'help' };
  if (text === '/quit') return { kind: 'quit' };
  return { kind: 'mistake', why: 'there is no such command; /help lists them' };
}
