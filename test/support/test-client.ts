export { Refused, TestClient, type Closed } from '../../src/testing/test-client.js';
