export { IN_MEMORY, inMemory, type OverridableModule } from './in-memory.js';
export { Refused, TestClient, type Closed, type JsonFrame } from './test-client.js';
export type {
  ServerEvents as JsonData,
  WireEnding,
  WireException,
  WireMessage,
  WireReceipt,
  WireWelcome,
} from '../protocol/wire.js';
