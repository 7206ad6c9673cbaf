import { Delete, Get, HttpCode, Inject, NotFoundException, Param, Query } from '@nestjs/common';
import type { z } from 'zod';
import { AdminController } from './admin-controller.decorator.js';
import { connectionDto, connectionPage, connectionQuery, toConnectionDto } from './connection.dto.js';
import { encodeCursor } from './fields.js';
import { SchemaPipe } from './schema.pipe.js';
import { WholeChat } from './whole-chat.js';

/** Lists and closes connections. */
@AdminController('connections')
export class ConnectionsController {
  constructor(@Inject(WholeChat) private readonly chat: WholeChat) {}

  @Get()
  async list(
    @Query(new SchemaPipe(connectionQuery)) { user, limit, cursor }: z.infer<typeof connectionQuery>,
  ): Promise<z.infer<typeof connectionPage>> {
    const { items, total, hasMore, missing } = await this.chat.list({ user, limit, after: cursor });
    return {
      items: items.map(toConnectionDto),
      total,
      nextCursor: hasMore ? encodeCursor(items.at(-1)!.id) : null,
      ...(missing.length > 0 && { missing: [...missing] }),
    };
  }

  @Get(':id')
  async one(@Param('id') id: string): Promise<z.infer<typeof connectionDto>> {
    const connection = await this.chat.find(id);
    if (!connection) throw noSuchConnection();
    return toConnectionDto(connection);
  }

  @Delete(':id')
  @HttpCode(204)
  async close(@Param('id') id: string): Promise<void> {
    if (!(await this.chat.close(id))) throw noSuchConnection();
  }
}

function noSuchConnection(): NotFoundException {
  return new NotFoundException({
    statusCode: 404,
    code: 'NO_SUCH_CONNECTION',
    message: 'no open connection has this id',
  });
}
