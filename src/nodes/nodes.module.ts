import { Global, Module } from '@nestjs/common';
import { Nodes } from './nodes.js';

/** Provides the nodes of this chat. It is global, as many rooms ask. */
@Global()
@Module({ providers: [Nodes], exports: [Nodes] })
export class NodesModule {}
