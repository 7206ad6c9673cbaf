import { Inject, Injectable } from '@nestjs/common';
import { CHAT_OPTIONS, type ChatOptions } from '../options/chat.options.js';
import { AdmissionLine } from './admission-line.js';
import { Places } from './places.js';
import { Tally } from './tally.js';

/** Who is about to be connected: the line in which they wait, the places that there are, and how many were refused. */
@Injectable()
export class EntranceService {
  readonly line: AdmissionLine;
  readonly places: Places;
  /** Handshakes that were refused, by the code of the refusal. */
  readonly refusals = new Tally<string>();

  constructor(@Inject(CHAT_OPTIONS) options: ChatOptions) {
    this.line = new AdmissionLine(options);
    this.places = new Places(options);
  }
}
