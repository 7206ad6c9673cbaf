import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import { listen } from './listen.js';

// MQTT in Node, as it comes: its sessions and what waits for them are in memory only.
const broker = await Aedes.createBroker();
listen(createServer(broker.handle));
