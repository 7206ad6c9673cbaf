import { Module } from '@nestjs/common';
import { AuthenticationModule } from '../authentication/authentication.module.js';
import { ConnectionsModule } from '../connections/connections.module.js';
import { ClientAddress } from './client-address.js';
import { HandshakeService } from './handshake.service.js';

/** Accepts or refuses handshakes before the upgrade. */
@Module({
  imports: [AuthenticationModule, ConnectionsModule],
  providers: [ClientAddress, HandshakeService],
  exports: [ClientAddress, HandshakeService],
})
export class HandshakeModule {}
