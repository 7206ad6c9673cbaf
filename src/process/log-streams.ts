import { Logger } from '@nestjs/common';
import { fstatSync, writeSync } from 'node:fs';

/** How many bytes of the log may wait for a slow reader. Lines above that are lost. */
const WAITING_BYTES = 1024 * 1024;

type Written = (error?: Error | null) => void;
type Write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Written, written?: Written) => boolean;

/**
 * Makes the process lose lines of its log instead of ending. By default it ends when the reader goes away or the disk
 * is full, and a reader that never reads uses up its memory. Call it before anything is written, and only in the
 * process of the standalone server: the streams of another application are not ours.
 */
export function loseLinesOnly(): void {
  const logger = new Logger('Log');
  for (const stream of [process.stdout, process.stderr]) if (fstatSync(stream.fd).isFile()) writeWholeLines(stream);
  guard(process.stdout, (loss) => logger.warn(loss));
  guard(process.stderr, (loss) => logger.error(loss));
}

/** Counts lost lines. As soon as lines get through again, it calls `report`, which writes the count to the stream. */
function guard(stream: NodeJS.WriteStream, report: (loss: string) => void): void {
  const write = stream.write.bind(stream) as Write;
  let lost = 0;
  /** How many lost lines the next line reports. If that line is lost too, they count again. */
  let told = 0;

  function tell(): void {
    told = lost;
    lost = 0;
    report(`${told} ${told === 1 ? 'line' : 'lines'} of the log could not be written, and were lost`);
    lost += told; // The level is off, as some are during the start, so nothing was written.
    told = 0;
  }

  // Failures are counted by the callback of each write.
  stream.on('error', () => undefined);
  stream.write = ((chunk, encoding, written) => {
    const callback = typeof encoding === 'function' ? encoding : written;
    const lines = told || linesOf(chunk);
    told = 0;
    if (stream.writableLength > WAITING_BYTES) {
      lost += lines;
      if (callback) process.nextTick(callback);
      return false;
    }
    return write(chunk, typeof encoding === 'string' ? encoding : undefined, (error) => {
      if (error) lost += lines;
      else if (lost > 0 && stream.writableLength === 0) tell();
      callback?.(error);
    });
  }) as Write as typeof stream.write;
}

/**
 * Writes lines to a file whole or not at all. Node counts a line that a full disk has cut as written. Here it is lost,
 * and the next line starts on a line of its own.
 */
function writeWholeLines(stream: NodeJS.WriteStream & { readonly fd: number }): void {
  let isCut = false;
  stream._write = (chunk: Uint8Array, _encoding, done) => {
    const bytes = Buffer.concat([Buffer.from(isCut ? '\n' : ''), chunk]);
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(stream.fd, bytes, at);
      isCut = false;
      done();
    } catch (error) {
      isCut ||= at > 0;
      done(error as Error);
    }
  };
}

function linesOf(chunk: string | Uint8Array): number {
  return Math.max(1, chunk.toString().split('\n').length - 1);
}
