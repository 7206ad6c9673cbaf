// Writes docs/api.md from the doc comments of what the package exports; with --check it only says whether the page is
// up to date.
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { writeOrCheck } from './generated-file.mjs';

const ROOT = new URL('../', import.meta.url);

/** The entry points of the package, and the source of each. */
const ENTRIES = {
  holdfast: 'src/index.ts',
  'holdfast/testing': 'src/testing/index.ts',
  'holdfast/openapi': 'src/openapi.ts',
  'holdfast/observability': 'src/observability/observability.module.ts',
};

const files = Object.values(ENTRIES).map((path) => fileURLToPath(new URL(path, ROOT)));
const { config } = ts.readConfigFile(fileURLToPath(new URL('tsconfig.json', ROOT)), (path) => ts.sys.readFile(path));
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, fileURLToPath(ROOT));
const program = ts.createProgram(files, { ...options, noEmit: true });
const checker = program.getTypeChecker();

const docOf = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();

/** Returns what a reader needs of a declaration: its head and its public members, without their bodies. */
function signatureOf(declaration) {
  if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) return headOf(declaration);
  if (ts.isFunctionDeclaration(declaration)) return withoutBody(declaration);
  if (ts.isVariableDeclaration(declaration)) return `const ${declaration.name.getText()}: ${typeOf(declaration)}`;
  return declaration.getText().replace(/^export /, '');
}

function headOf(declaration) {
  const kind = ts.isClassDeclaration(declaration) ? 'class' : 'interface';
  const parameters = declaration.typeParameters
    ? `<${declaration.typeParameters.map((each) => each.getText()).join(', ')}>`
    : '';
  const heritage = (declaration.heritageClauses ?? []).map((clause) => ` ${clause.getText()}`).join('');
  return `${kind} ${declaration.name.text}${parameters}${heritage}`;
}

function withoutBody(node) {
  const end = node.body ? node.body.getStart() : node.getEnd();
  return node
    .getSourceFile()
    .text.slice(node.getStart(), end)
    .trim()
    .replace(/^(export |public |async )+/, '');
}

function typeOf(node) {
  return checker.typeToString(checker.getTypeAtLocation(node), node, ts.TypeFormatFlags.NoTruncation);
}

function isPublic(member) {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return !(member.name && ts.isPrivateIdentifier(member.name)) && !(ts.getCombinedModifierFlags(member) & hidden);
}

/** Leaves out constructors of what Nest makes, and members that only override: those are described at their origin. */
function isForReaders(member) {
  if (ts.isConstructorDeclaration(member)) {
    return member.parameters.length > 0 && !member.parameters.some((each) => ts.getDecorators(each));
  }
  return docOfNode(member) !== '' || !(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Override);
}

function docOfNode(node) {
  const symbol = node.name && checker.getSymbolAtLocation(node.name);
  const comments = () => ts.getJSDocCommentsAndTags(node).map(({ comment }) => ts.getTextOfJSDocComment(comment));
  return (symbol ? docOf(symbol) : comments().join(' ')).replace(/\n/g, ' ');
}

function defaultOf(member) {
  const tags = ts.getJSDocTags(member).filter(({ tagName }) => tagName.text === 'default');
  return tags.map(({ comment }) => `Default: ${ts.getTextOfJSDocComment(comment)}.`);
}

function textOf(member, declaration) {
  if (ts.isConstructorDeclaration(member)) {
    const parameters = member.parameters.map((each) => each.getText().replace(/^((private|readonly) )+/, ''));
    return `new ${declaration.name.text}(${parameters.join(', ')})`;
  }
  if (ts.isPropertyDeclaration(member) || ts.isParameter(member)) {
    return `${member.name.getText()}: ${member.type ? member.type.getText() : typeOf(member)}`;
  }
  return withoutBody(member)
    .replace(/;$/, '')
    .replace(/^(override |readonly )+/, '');
}

/** The public members, with their comments. */
function membersOf(declaration) {
  if (!ts.isClassDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) return [];
  const properties = declaration.members
    .filter(ts.isConstructorDeclaration)
    .flatMap(({ parameters }) => parameters.filter((each) => ts.isParameterPropertyDeclaration(each, each.parent)));
  return [...declaration.members, ...properties]
    .filter((member) => isPublic(member) && isForReaders(member))
    .map((member) => {
      const doc = [docOfNode(member), ...defaultOf(member)].join(' ').trim();
      return `- \`${textOf(member, declaration).replace(/\s+/g, ' ')}\`${doc && `: ${doc}`}`;
    });
}

function sectionOf(symbol) {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const [declaration] = target.declarations;
  const doc = docOf(target);
  if (!doc) throw new Error(`${symbol.name} is exported and has no doc comment`);
  // The options have a page of their own.
  const members =
    symbol.name === 'ChatOptions' ? ['All of them are in [options.md](options.md).'] : membersOf(declaration);
  return [
    `### ${symbol.name}`,
    '```ts',
    signatureOf(declaration),
    '```',
    doc,
    ...(members.length > 0 ? ['', ...members] : []),
  ].join('\n');
}

const parts = Object.keys(ENTRIES).map((entry, index) => {
  const source = program.getSourceFile(files[index]);
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  const sections = symbols.sort((one, other) => (one.name < other.name ? -1 : 1)).map(sectionOf);
  return [`## \`${entry}\``, ...sections].join('\n\n');
});

await writeOrCheck(
  'docs/api.md',
  `# API\n\nWhat the package exports, by its doors. This page is made from the doc comments by \`npm run docs:api\`; how it fits together is in [embedding.md](embedding.md).\n\n${parts.join('\n\n')}\n`,
  'npm run docs:api',
);
