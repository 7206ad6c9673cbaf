/** A variable that does not fit. Its message says which, and what to give instead. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}
