import { EnvironmentError } from '../../src/config/environment-error.js';
import { readEnvironment } from '../../src/config/environment.js';

/** The sentence with which the server refuses to start in this environment. */
export function refusal(env: NodeJS.ProcessEnv): string {
  try {
    readEnvironment(env);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message;
    throw error;
  }
  throw new Error(`it was not refused: ${JSON.stringify(env)}`);
}
