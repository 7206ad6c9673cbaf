import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.js';

/**
 * Returns Mosquitto's command line. Its configuration is in the folder. The port was free a moment ago, as Mosquitto
 * can't choose one itself. Its queues have no limit. What waits is in memory, and is saved at the end or every 30
 * minutes.
 */
export async function mosquitto(folder: string): Promise<{ command: string[]; port: number }> {
  const port = await freePort();
  const file = join(folder, 'mosquitto.conf');
  const settings = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
    'user root',
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  return { command: ['mosquitto', '-c', file], port };
}
