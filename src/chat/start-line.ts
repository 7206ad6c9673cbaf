import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { AuthenticationService } from '../authentication/authentication.service.js';
import { CLUSTER_SETTINGS, titleOfCluster, type ClusterSettings } from '../cluster/cluster.options.js';
import { resolveDatabaseOption, titleOf, type DatabaseOption } from '../database/database-option.js';
import { MODULE_OPTIONS } from '../options/options.module.js';

/** The injection token of the path of the socket. */
export const CHAT_PATH = Symbol.for('holdfast:path');

/** Logs once, when the application has started, where the chat is, who may connect, and where messages wait. */
@Injectable()
export class StartLine implements OnApplicationBootstrap {
  constructor(
    @Inject(CHAT_PATH) private readonly path: string,
    @Inject(MODULE_OPTIONS) private readonly given: { readonly database?: DatabaseOption },
    @Inject(CLUSTER_SETTINGS) private readonly cluster: ClusterSettings | null,
    @Inject(AuthenticationService) private readonly authentication: AuthenticationService,
  ) {}

  onApplicationBootstrap(): void {
    const cluster = this.cluster ? `; this is ${titleOfCluster(this.cluster)}` : '';
    const store = titleOf(resolveDatabaseOption(this.given.database));
    new Logger('Holdfast').log(
      `the chat is at ${this.path}; ${this.authentication.title}; messages wait in ${store}${cluster}`,
    );
  }
}
