import type { Results } from '../run/results.js';
export async function writeDocs(_results: Results): Promise<void> {}
