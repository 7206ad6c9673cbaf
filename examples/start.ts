// Starts an example: `npm run example -- fastify`.
import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';

const example = (await import(`./${process.argv[2] ?? 'express'}.ts`)) as { createApp(): Promise<INestApplication> };
const app = await example.createApp();
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000, '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
