// Writes src/protocol/joining-letters.ts from the tables of Unicode that the package tr46 has; with --check it only
// says whether the file is up to date.
import { createRequire } from 'node:module';
import { writeOrCheck } from './generated-file.mjs';

const require = createRequire(import.meta.url);
const { validZWNJ, combiningClassVirama } = require('tr46/lib/regexes.js');
const { version, unicodeVersion } = require('tr46/package.json');

// Letters that join what follows, marks, the character, marks, letters that join what stands before. The marks are
// those of the categories Mn, Me and Cf, which expressions know by themselves.
const parts = /^\[([^\]]*)\]\[([^\]]*)\]\*\\u200C\[\2\]\*\[([^\]]*)\]$/.exec(validZWNJ.source);
const viramas = /^\[([^\]]*)\]$/.exec(combiningClassVirama.source);
if (!parts || !viramas) throw new Error(`tr46 ${version} writes its tables in another way; read them anew`);
const [, joinNext, , joinPrevious] = parts;

// A mark counts on the letters of its own script only, of which a block of 128 holds one, or few.
const blocks = new Map();
for (const [, from, to = from] of viramas[1].matchAll(/\\u\{?([0-9A-F]+)\}?(?:-\\u\{?([0-9A-F]+)\}?)?/g)) {
  for (let code = parseInt(from, 16); code <= parseInt(to, 16); code += 1)
    blocks.set(code >> 7, [...(blocks.get(code >> 7) ?? []), escaped(code)]);
}
const viramaTable = [...blocks].map(([block, marks]) => {
  const letters = `${escaped(block << 7)}-${escaped((block << 7) + 127)}`;
  return `[String.raw\`${letters}\`, String.raw\`${marks.join('')}\`]`;
});

function escaped(code) {
  return `\\u{${code.toString(16).toUpperCase()}}`;
}

const table = (doc, name, pattern) => `/** ${doc} */\nexport const ${name} = String.raw\`${pattern}\`;\n`;
const inBraces = (ranges) => ranges.replace(/\\u([0-9A-F]{4})/g, '\\u{$1}');
await writeOrCheck(
  'src/protocol/joining-letters.ts',
  `// Made by scripts/joining-letters.mjs from Unicode ${unicodeVersion} (DerivedJoiningType.txt and
// DerivedCombiningClass.txt), by way of tr46 ${version}.

${table('Letters that join the one that follows, as ranges of a character class (Joining_Type L and D).', 'JOIN_NEXT', inBraces(joinNext))}
${table('Letters that join the one before (Joining_Type R and D).', 'JOIN_PREVIOUS', inBraces(joinPrevious))}
/** Marks that remove the vowel of a letter (Canonical_Combining_Class 9), by the block of their script. */
export const VIRAMAS: readonly (readonly [letters: string, marks: string])[] = [${viramaTable.join(',')}];
`,
  'npm run tables:joining',
);
