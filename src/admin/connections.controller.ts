import { Delete, Get, HttpCode, Inject, NotFoundException, Param, Query } from '@nestjs/common';
import type { z } from 'zod';
import type { Connection } from '../connections/connection.js';
import { ConnectionService } from '../connections/connection.service.js';
import { Delivery } from '../delivery/delivery.js';
import { CloseCode } from '../protocol/close-code.js';
import { AdminController } from './admin-controller.decorator.js';
import { connectionDto, connectionPage, connectionQuery, toConnectionDto } from './connection.dto.js';
import { encodeCursor } from './fields.js';
import { SchemaPipe } from './schema.pipe.js';

/** Lists and closes connections. */
@AdminController('connections')
export class ConnectionsController {
  constructor(
    @Inject(ConnectionService) private readonly connections: ConnectionService,
    @Inject(Delivery) private readonly delivery: Delivery,
  ) {}

  @Get()
  list(
    @Query(new SchemaPipe(connectionQuery)) { user, limit, cursor }: z.infer<typeof connectionQuery>,
  ): z.infer<typeof connectionPage> {
    const all = user === undefined ? [...this.connections.all()] : this.connections.ofUser(user);
    const rest = cursor === undefined ? all : all.filter((connection) => connection.id > cursor);
    const page = rest.slice(0, limit);
    return {
      items: page.map((connection) => this.toDto(connection)),
      total: all.length,
      nextCursor: rest.length > limit ? encodeCursor(page.at(-1)!.id) : null,
    };
  }

  @Get(':id')
  one(@Param('id') id: string): z.infer<typeof connectionDto> {
    return this.toDto(this.find(id));
  }

  @Delete(':id')
  @HttpCode(204)
  close(@Param('id') id: string): void {
    this.find(id).revoke(CloseCode.ADMINISTRATOR, 'disconnected by an administrator');
  }

  private find(id: string): Connection {
    const connection = this.connections.get(id);
    if (connection) return connection;
    throw new NotFoundException({
      statusCode: 404,
      code: 'NO_SUCH_CONNECTION',
      message: 'no open connection has this id',
    });
  }

  private toDto(connection: Connection): z.infer<typeof connectionDto> {
    return toConnectionDto(connection, this.delivery.inFlight(connection));
  }
}
