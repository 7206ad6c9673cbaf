/** What Kubernetes sets for each port of a Service, and Docker for those of a link: behind the name of the one or the other. */
const OF_PORT = /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const OF_SERVICE = /_SERVICE_(HOST|PORT(_\w+)?)$/;
const OF_LINK = '_ENV_';

/**
 * Whether an orchestrator sets this variable for a Service or a link of the name `chat` or `chat-…`, so that it is no option
 * of ours that somebody misspelt.
 */
export function isForeign(variable: string, value: string): boolean {
  if (OF_SERVICE.test(variable) || OF_PORT.test(variable) || variable.includes(OF_LINK)) return true;
  if (variable.endsWith('_PORT')) return /^(tcp|udp|sctp):\/\//.test(value);
  return variable.endsWith('_NAME') && /^\/[^/]+\/[^/]+$/.test(value);
}
