import { All, Header, HttpException, HttpStatus } from '@nestjs/common';
import { AdminController, Refuses } from './api.js';

/** Tells whoever comes to the path of the socket by plain HTTP what is there. */
@AdminController('', 'socket')
export class SocketPathController {
  @All()
  @Header('Upgrade', 'websocket')
  @Refuses(426)
  explain(): never {
    throw new HttpException(
      {
        statusCode: 426,
        code: 'UPGRADE_REQUIRED',
        message: 'this is the path of the WebSocket; connect to it with ws://…?user=NAME',
      },
      426 as HttpStatus,
    );
  }
}
