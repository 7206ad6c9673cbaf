/** Suffixes of the variables that Kubernetes sets for a port of a Service, and Docker for a port of a link. */
const OF_PORT = /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const OF_SERVICE = /_SERVICE_(HOST|PORT(_\w+)?)$/;
const OF_LINK = '_ENV_';

/**
 * Returns whether an orchestrator sets this variable, for a Service or a link named `chat` or `chat-…`. Then it is not
 * a misspelt option of ours.
 */
export function isForeign(variable: string, value: string): boolean {
  if (OF_SERVICE.test(variable) || OF_PORT.test(variable) || variable.includes(OF_LINK)) return true;
  if (variable.endsWith('_PORT')) return /^(tcp|udp|sctp):\/\//.test(value);
  return variable.endsWith('_NAME') && /^\/[^/]+\/[^/]+$/.test(value);
}
