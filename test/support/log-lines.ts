import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';

/**
 * Returns a list to which every log line is added from now on, as `level Context: message`, until
 * jest.restoreAllMocks().
 */
export function catchLogLines(): string[] {
  const lines: string[] = [];
  for (const level of ['log', 'warn', 'error', 'fatal', 'debug', 'verbose'] as const) {
    jest.spyOn(Logger.prototype, level).mockImplementation(function (this: Logger, ...parts: unknown[]) {
      lines.push(`${level} ${this['context']}: ${parts.map(String).join(' ')}`);
    });
  }
  return lines;
}
