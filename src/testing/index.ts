export { IN_MEMORY, inMemory, type OverridableModule } from './in-memory.js';
export { Refused, TestClient, type Closed, type JsonData, type JsonFrame } from './test-client.js';
