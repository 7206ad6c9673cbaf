import { Controller, Get, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { InjectRepository, TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { ChatModule, ChatWsAdapter } from 'holdfast';
import {
  Column,
  Entity,
  PrimaryGeneratedColumn,
  type MigrationInterface,
  type QueryRunner,
  type Repository,
} from 'typeorm';
import { database } from './store.js';

@Entity()
class Cat {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ type: 'varchar' })
  name!: string;
}

class CreateCats1700000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE "cat" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "name" varchar NOT NULL)');
    await runner.query(`INSERT INTO "cat" ("name") VALUES ('Tom')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE "cat"');
  }
}

@Controller('cats')
class CatsController {
  constructor(
    @InjectRepository(Cat) private readonly cats: Repository<Cat>,
    @InjectRepository(Cat, 'archive') private readonly archived: Repository<Cat>,
  ) {}

  @Get()
  async all(): Promise<object> {
    return { cats: await this.cats.find(), archived: await this.archived.count() };
  }
}

const own: TypeOrmModuleOptions = { type: 'sqlite', database: ':memory:', entities: [Cat] };

@Module({
  imports: [
    TypeOrmModule.forRoot({ ...own, migrations: [CreateCats1700000000000], migrationsRun: true }),
    TypeOrmModule.forRoot({ ...own, name: 'archive', synchronize: true }),
    TypeOrmModule.forFeature([Cat]),
    TypeOrmModule.forFeature([Cat], 'archive'),
    ChatModule.forRoot({ database }),
  ],
  controllers: [CatsController],
})
class AppModule {}

/**
 * In an application with its own TypeORM connections, the default and a named one, and migrations. The chat brings its
 * own.
 */
export async function createApp(): Promise<INestApplication> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new ChatWsAdapter(app));
  return app;
}
