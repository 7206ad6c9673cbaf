import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import * as swagger from '@nestjs/swagger';
import { ChatWsAdapter } from 'holdfast';
import { describeApi } from 'holdfast/openapi';
import { AppModule } from './app.module.js';

async function start(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  describeApi(swagger);
  swagger.SwaggerModule.setup('docs', app, () =>
    swagger.SwaggerModule.createDocument(app, new swagger.DocumentBuilder().build()),
  );
  let closing: Promise<void> | undefined;
  process.on('SIGTERM', () => void (closing ??= app.close()));
  await app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
  console.log(`listening on ${await app.getUrl()}`);
}

void start();
