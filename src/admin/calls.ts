import { z } from 'zod';
import { ConnectionsController } from './connections.controller.js';
import { connectionDto, connectionPage, connectionQuery } from './connection.dto.js';
import { describeCalls, type Call, type ControllerCalls, type SwaggerDecorators } from './describe-api.js';
import { connectionId, messageId, peerName, userName } from './fields.js';
import { messageBody, MessagesController, receiptDto } from './messages.controller.js';
import { PendingController } from './pending.controller.js';
import { mailboxPage, mailboxQuery, messageQuery, pendingMessagePage, purgeDto } from './pending.dto.js';
import { RecordController } from './record.controller.js';
import { conversationPage, conversationQuery, historyPage, historyQuery, syncPage, syncQuery } from './record.dto.js';
import { SocketPathController } from './socket-path.controller.js';
import { StatsController, statsDto } from './stats.controller.js';
import { ticketBody, ticketDto, TicketsController } from './tickets.controller.js';
import { closedDto, erasedDto, eraseQuery, userDto, UsersController } from './users.controller.js';

/** Describes the calls of a controller. Every method is a call, and the type allows none to be left out. */
function callsOf<Controller extends object>(
  controller: new (...args: never[]) => Controller,
  tag: string,
  calls: Readonly<Record<keyof Controller & string, Call>>,
): ControllerCalls {
  return { controller, tag, calls };
}

/** The REST calls, as the OpenAPI document describes them. */
const CALLS: readonly ControllerCalls[] = [
  callsOf(ConnectionsController, 'connections', {
    list: {
      summary: 'List the open connections',
      query: connectionQuery,
      replies: { 200: ['The open connections, oldest first.', connectionPage] },
      refusals: [400],
    },
    one: {
      summary: 'Show a connection',
      params: { id: connectionId },
      replies: { 200: ['The connection.', connectionDto] },
      refusals: [404, 503],
    },
    close: {
      summary: 'Close a connection',
      params: { id: connectionId },
      replies: { 204: ['The connection is closed with 4403.'] },
      refusals: [404, 503],
    },
  }),
  callsOf(UsersController, 'users', {
    one: {
      summary: 'Show a user',
      params: { user: userName },
      replies: { 200: ['The user, whether seen before or not.', userDto] },
      refusals: [400, 503],
    },
    export: {
      summary: 'Export all that is stored of a user',
      params: { user: userName },
      produces: 'application/x-ndjson',
      replies: { 200: ['Lines of JSON, each with a `type`: user, waiting, conversation or message.', z.string()] },
      refusals: [400, 503],
    },
    erase: {
      summary: 'Erase a user',
      params: { user: userName },
      query: eraseQuery,
      replies: {
        200: ['The user is erased.', erasedDto],
        202: ['It takes longer than 10 s, and goes on by itself.', erasedDto],
      },
      refusals: [400, 503],
    },
    disconnect: {
      summary: 'Close all connections of a user',
      params: { user: userName },
      replies: { 200: ['How many connections were closed, with 4403.', closedDto] },
      refusals: [400, 503],
    },
  }),
  callsOf(PendingController, 'pending', {
    mailboxes: {
      summary: 'List the users for whom messages wait',
      query: mailboxQuery,
      replies: {
        200: ['The users, by name. A user for whom messages wait all the time is on exactly one page.', mailboxPage],
      },
      refusals: [400, 503],
    },
    messages: {
      summary: 'List the messages that wait for a user',
      params: { user: userName },
      query: messageQuery,
      replies: { 200: ['The messages, in their order.', pendingMessagePage] },
      refusals: [400, 503],
    },
    purge: {
      summary: 'Delete all messages that wait for a user',
      params: { user: userName },
      replies: { 200: ['How many messages were deleted.', purgeDto] },
      refusals: [400, 503],
    },
    purgeOne: {
      summary: 'Delete one message that waits for a user',
      params: { user: userName, from: userName.meta({ example: 'shop' }), id: messageId },
      replies: { 200: ['How many messages were deleted: one, or none if it has left the store.', purgeDto] },
      refusals: [400, 503],
    },
  }),
  callsOf(MessagesController, 'messages', {
    send: {
      summary: 'Send a message to a user, or a broadcast',
      body: messageBody,
      replies: {
        201: ['The receipt.', receiptDto],
        200: ['The first receipt of a message with this id, which was accepted before.', receiptDto],
      },
      refusals: [400, 413, 429, 503],
    },
  }),
  callsOf(RecordController, 'record', {
    history: {
      summary: 'Read a conversation of a user',
      params: { user: userName, with: peerName },
      query: historyQuery,
      replies: { 200: ['A page of it: the newest messages, or those beside a position.', historyPage] },
      refusals: [400, 404, 503],
    },
    conversations: {
      summary: 'List the conversations of a user',
      params: { user: userName },
      query: conversationQuery,
      replies: { 200: ['The conversations, the newest first.', conversationPage] },
      refusals: [400, 404, 503],
    },
    sync: {
      summary: 'Read what was recorded for a user since a cursor',
      params: { user: userName },
      query: syncQuery,
      replies: { 200: ['The messages, received and sent, or only the cursor of now.', syncPage] },
      refusals: [400, 404, 503],
    },
  }),
  callsOf(StatsController, 'stats', {
    stats: {
      summary: 'Show the counters',
      replies: { 200: ['The counters since the start.', statsDto] },
    },
  }),
  callsOf(TicketsController, 'tickets', {
    issue: {
      summary: 'Issue a one-time ticket, with which a client that cannot set a header connects',
      body: ticketBody,
      replies: { 201: ['The ticket.', ticketDto] },
      refusals: [400, 429, 503],
    },
  }),
];

/**
 * Describes the REST calls for `SwaggerModule.createDocument`, with the decorators of the application's own
 * `@nestjs/swagger`: an application that does not have it need not install it. Call it before `createDocument`.
 */
export function describeApi(swagger: SwaggerDecorators): void {
  describeCalls(swagger, CALLS);
  // Plain HTTP at the path of the socket is always refused, so it is not a call.
  swagger.ApiExcludeController()(SocketPathController);
}
