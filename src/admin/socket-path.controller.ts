import { All, Controller, Header, Inject, Req, Res, UseFilters, VERSION_NEUTRAL } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HandshakeService } from '../handshake/handshake.service.js';
import { refusals } from '../protocol/handshake-refusal.js';
import { rawOf } from './administrator.guard.js';
import { ErrorFilter } from './error.filter.js';
import { allowToRead } from './page-access.js';

/**
 * Plain HTTP at the path of the socket, which is always refused. A `GET` is told why a handshake would be refused, which
 * browsers do not show to pages. Any page may read that: one that may not connect is told so before anything else is
 * looked at.
 */
@Controller({ version: VERSION_NEUTRAL })
@UseFilters(ErrorFilter)
export class SocketPathController {
  constructor(@Inject(HandshakeService) private readonly handshakes: HandshakeService) {}

  @All()
  @Header('Cache-Control', 'no-store')
  async explain(@Req() request: IncomingMessage, @Res({ passthrough: true }) response: ServerResponse): Promise<never> {
    const raw = rawOf(request);
    allowToRead(raw, rawOf(response));
    if (raw.method === 'GET') await this.handshakes.check(raw);
    throw refusals.upgradeRequired();
  }
}
