/**
 * Reads the project's own files for the tidy test: which there are, what each imports, which
 * functions it holds. One parse per file; judges nothing.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

export const projectRoot = dirname(dirname(import.meta.dirname));

export interface Import {
  /** A path of the project without `./`, `node:…`, or a package's name. */
  target: string;
  typeOnly: boolean;
  /** `import('…')` inside a function. */
  lazy: boolean;
  line: number;
}

export interface FunctionSize {
  name: string;
  line: number;
  lines: number;
  parameters: number;
}

export interface Source {
  path: string;
  text: string;
  tree: ts.SourceFile;
}

/** Every file that is tracked, or will be: not ignored by git. Sorted. */
export function projectFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  const paths = listed.split('\0').filter((path) => path !== '');
  return [...new Set(paths)].filter((path) => existsSync(join(projectRoot, path))).sort();
}

export function readText(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8');
}

export function parse(path: string): Source {
  const text = readText(path);
  return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

export function importsOf({ path, tree }: Source): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Expression, typeOnly: boolean, lazy: boolean) => {
    if (!ts.isStringLiteral(specifier)) return;
    const target = resolve(path, specifier.text);
    found.push({ target, typeOnly, lazy, line: lineOf(tree, node) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node, node.moduleSpecifier, typeOnly, false);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, node.isTypeOnly, false);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined) add(node, specifier, false, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function resolve(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier));
  if (specifier.startsWith('node:')) return specifier;
  const [scope = '', name = ''] = specifier.split('/');
  return specifier.startsWith('@') ? `${scope}/${name}` : scope;
}

export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** Functions with a body; a `describe` callback is a list of tests, not a function. */
export function functionsOf({ tree }: Source): FunctionSize[] {
  const found: FunctionSize[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined && !isSuite(node)) {
      const first = lineOf(tree, node);
      const last = tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
      found.push({
        name: nameOf(node, tree),
        line: first,
        lines: last - first + 1,
        parameters: node.parameters.length,
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function isSuite(node: ts.Node): boolean {
  const call = node.parent;
  return ts.isCallExpression(call) && call.expression.getText() === 'describe';
}

function nameOf(node: ts.SignatureDeclaration, tree: ts.SourceFile): string {
  if (node.name !== undefined) return node.name.getText(tree);
  if (ts.isVariableDeclaration(node.parent)) return node.parent.name.getText(tree);
  return 'a function without a name';
}
