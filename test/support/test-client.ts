export { Refused, TestClient, type Closed, type JsonData, type JsonFrame } from '../../src/testing/test-client.js';
