import { Module } from '@nestjs/common';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { ConnectionsModule } from '../connections/connections.module.js';
import { EntranceService } from './entrance.service.js';
import { AdmissionService } from './handshake.service.js';

/** Everything before the upgrade of a connection. */
@Module({
  imports: [AuthenticationModule, ConnectionsModule],
  providers: [EntranceService, AdmissionService],
  exports: [EntranceService, AdmissionService],
})
export class HandshakeModule {}
