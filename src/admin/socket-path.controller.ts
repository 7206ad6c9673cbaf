import { All, Controller, Header, HttpException, HttpStatus, UseFilters, VERSION_NEUTRAL } from '@nestjs/common';
import { Refuses, Tagged } from './api.js';
import { ErrorFilter } from './error.filter.js';

/** Tells whoever comes to the path of the socket by plain HTTP what is there: everybody, as it is no secret and changes nothing. */
@Controller({ version: VERSION_NEUTRAL })
@UseFilters(ErrorFilter)
@Tagged('socket')
export class SocketPathController {
  @All()
  @Header('Upgrade', 'websocket')
  @Refuses(426)
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
