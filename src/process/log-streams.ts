import { Logger } from '@nestjs/common';
import { fstatSync, writeSync } from 'node:fs';

/** How much may wait for a reader that is slower than the log, in bytes; what is written then is lost. */
const WAITING_BYTES = 1024 * 1024;

type Written = (error?: Error | null) => void;
type Write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Written, written?: Written) => boolean;

/**
 * Makes the process lose lines of its log where Node would end it: by default a reader that goes away and a disk that is
 * full end the process, and a reader that never reads takes all its memory. To be called before anything is written, and
 * by the process of the server alone: the streams of an application are the application's.
 */
export function loseLinesOnly(): void {
  const logger = new Logger('Log');
  for (const stream of [process.stdout, process.stderr]) if (fstatSync(stream.fd).isFile()) writeWholeLines(stream);
  guard(process.stdout, (loss) => logger.warn(loss));
  guard(process.stderr, (loss) => logger.error(loss));
}

/** Tells by `report`, which writes to the stream, how many lines were lost, once lines get through again. */
function guard(stream: NodeJS.WriteStream, report: (loss: string) => void): void {
  const write = stream.write.bind(stream) as Write;
  let lost = 0;
  /** Lines that are lost with the next one: those that it tells of. */
  let told = 0;

  function tell(): void {
    told = lost;
    lost = 0;
    report(`${told} ${told === 1 ? 'line' : 'lines'} of the log could not be written, and were lost`);
    lost += told; // Nothing was written: at the start not every level is.
    told = 0;
  }

  // What fails is counted by the callback of its write.
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

/** Node takes a line that a full disk has cut for written. It is lost, and what comes next is no part of it. */
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
