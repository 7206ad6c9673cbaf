/** An invalid variable. The message names it and says what to give instead. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}
