import { Module } from '@nestjs/common';
import { ConnectionService } from './connection.service.js';
import { EntranceService } from './entrance.service.js';

@Module({ providers: [ConnectionService, EntranceService], exports: [ConnectionService, EntranceService] })
export class ConnectionsModule {}
