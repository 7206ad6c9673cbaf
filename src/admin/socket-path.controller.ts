import { All, Controller, Header, HttpException, HttpStatus, UseFilters, VERSION_NEUTRAL } from '@nestjs/common';
import { ErrorFilter } from './error.filter.js';

/**
 * Refuses plain HTTP at the path of the socket, and says what is there. It needs no credentials, because it reveals
 * nothing.
 */
@Controller({ version: VERSION_NEUTRAL })
@UseFilters(ErrorFilter)
export class SocketPathController {
  @All()
  @Header('Upgrade', 'websocket')
  explain(): never {
    throw new HttpException(
      {
        statusCode: 426,
        code: 'UPGRADE_REQUIRED',
        message: 'this is the path of the WebSocket; connect to it with ws://…?user=NAME, or with a token',
      },
      426 as HttpStatus,
    );
  }
}
