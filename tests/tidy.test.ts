/**
 * The house rules that a machine can check: sizes, what each room imports, forms we do not use,
 * and that generated documentation is up to date. Reads files only; each failure names its place.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { type Room, roomOf } from './support/rooms.ts';
import {
  functionsOf,
  type Import,
  importsOf,
  lineOf,
  parse,
  projectFiles,
  projectRoot,
  readText,
  type Source,
} from './support/source-tree.ts';

const budget = { fileLines: 400, functionLines: 70, lineLength: 100, parameters: 4 };
const readmeLines = 80;

const files = projectFiles();
const sources = files.filter((path) => /\.(ts|mjs)$/.test(path)).map((path) => parse(path));

/** Fails with one line per finding: `path:line what`. */
function none(findings: readonly string[]): void {
  assert.ok(findings.length === 0, `${findings.length} found:\n${findings.join('\n')}`);
}

describe('sizes', () => {
  test(`no file is longer than ${budget.fileLines} lines`, () => {
    const long = sources
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > budget.fileLines);
    none(long.map(({ path, lines }) => `${path} has ${lines} lines`));
  });

  test(`no function is longer than ${budget.functionLines} lines`, () => {
    none(
      eachFunction(
        ({ lines }) => lines > budget.functionLines,
        ({ lines }) => `${lines} lines`,
      ),
    );
  });

  test(`no function takes more than ${budget.parameters} parameters`, () => {
    none(
      eachFunction(
        ({ parameters }) => parameters > budget.parameters,
        ({ parameters }) => `${parameters} parameters`,
      ),
    );
  });

  test(`no line is longer than ${budget.lineLength} columns`, () => {
    none(eachLine((line) => (line.length > budget.lineLength ? `${line.length} columns` : '')));
  });

  test(`README.md has at most ${readmeLines} lines`, () => {
    const lines = readText('README.md').trimEnd().split('\n').length;
    assert.ok(lines <= readmeLines, `it has ${lines}`);
  });
});

type Sized = ReturnType<typeof functionsOf>[number];

function eachFunction(bad: (it: Sized) => boolean, say: (it: Sized) => string): string[] {
  return sources.flatMap((source) =>
    functionsOf(source)
      .filter(bad)
      .map((it) => `${source.path}:${it.line} ${it.name} has ${say(it)}`),
  );
}

function eachLine(problem: (line: string) => string): string[] {
  return sources.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => {
      const found = problem(line);
      return found === '' ? [] : [`${path}:${index + 1} ${found}`];
    }),
  );
}

describe('rooms', () => {
  test('each room imports only what its row allows', () => {
    const found = sources.flatMap((source) => {
      const room = roomOf(source.path);
      if (room === undefined) return [];
      return importsOf(source)
        .filter((it) => !allowed(it, room, source.path))
        .map((it) => `${source.path}:${it.line} imports ${it.target}; ${room.why}`);
    });
    none(found);
  });

  test('nothing imports tests, benchmarks or scripts', () => {
    const outside = /^(tests|bench|scripts)\//;
    const found = sources
      .filter(({ path }) => !outside.test(path))
      .flatMap((source) =>
        importsOf(source)
          .filter(({ target }) => outside.test(target))
          .map(({ target, line }) => `${source.path}:${line} imports ${target}`),
      );
    none(found);
  });

  test('one companion charm does not import another', () => {
    const found = sources
      .filter(({ path }) => path.startsWith('charms/'))
      .flatMap((source) => {
        const own = source.path.split('/').slice(0, 2).join('/');
        return importsOf(source)
          .filter(({ target }) => target.startsWith('charms/') && !target.startsWith(`${own}/`))
          .map(({ target, line }) => `${source.path}:${line} imports ${target}`);
      });
    none(found);
  });

  test('the reconcile driver knows no PostgreSQL', () => {
    const word = /postgres|patroni|pgbouncer|pgbackrest|etcd/i;
    const found = sources
      .filter(({ path }) => path.startsWith('lib/charm/') && word.test(readText(path)))
      .map(({ path }) => path);
    none(found);
  });
});

function allowed({ target, typeOnly, lazy }: Import, room: Room, path: string): boolean {
  if (target.startsWith('lib/std/')) return isPureRoom(room) ? !impure.test(target) : true;
  if (room.place.some((prefix) => target.startsWith(prefix) && path.startsWith(prefix)))
    return true;
  const matches = (entry: string) =>
    entry === target ||
    (entry === 'node:*' && target.startsWith('node:')) ||
    (entry.endsWith('/') && target.startsWith(entry));
  if (room.may.some(matches)) return true;
  if (typeOnly && (room.typesOf ?? []).some(matches)) return true;
  return (lazy || typeOnly) && (room.lazily ?? []).includes(target);
}

/** What a pure room must not see of lib/std: time and chance come in as data. */
const impure = /^lib\/std\/(clock|random|files)\.ts$/;

function isPureRoom(room: Room): boolean {
  return room.place.includes('src/charm/decide/');
}

describe('forms', () => {
  test('every file opens with a comment that says what it is for', () => {
    const bare = sources
      .filter(({ text }) => !/^(#!.*\n)?(\/\*\*?|\/\/)/.test(text))
      .map(({ path }) => path);
    none(bare);
  });

  test('no `any`', () => {
    none(eachNode((node) => node.kind === ts.SyntaxKind.AnyKeyword, 'any'));
  });

  test('no default export', () => {
    const isDefault = (node: ts.Node) =>
      ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword;
    // A declaration file describes what a library does, not what we do.
    none(eachNode(isDefault, 'default export').filter((found) => !/\.d\.ts:/.test(found)));
  });

  test('no file that only passes on what others export', () => {
    none(
      eachNode(
        (node) => ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined,
        're-export',
      ),
    );
  });

  test('no state in modules', () => {
    const found = sources
      .filter(({ path }) => !path.startsWith('scripts/'))
      .flatMap(({ path, tree }) =>
        tree.statements
          .filter(ts.isVariableStatement)
          .filter((statement) => isMutable(statement))
          .map((statement) => `${path}:${lineOf(tree, statement)} ${statement.getText(tree)}`),
      );
    none(found);
  });
});

function eachNode(wanted: (node: ts.Node) => boolean, what: string): string[] {
  return sources.flatMap(({ path, tree }: Source) => {
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      if (wanted(node)) found.push(`${path}:${lineOf(tree, node)} ${what}`);
      ts.forEachChild(node, visit);
    };
    visit(tree);
    return found;
  });
}

/** `let`, or a const that starts empty and can only be meant to be filled. */
function isMutable({ declarationList }: ts.VariableStatement): boolean {
  if ((declarationList.flags & ts.NodeFlags.Const) === 0) return true;
  return declarationList.declarations.some(({ initializer }) => {
    if (initializer === undefined) return false;
    if (ts.isArrayLiteralExpression(initializer)) return initializer.elements.length === 0;
    if (!ts.isNewExpression(initializer)) return false;
    const made = initializer.expression.getText();
    return /^(Weak)?(Map|Set)$/.test(made) && (initializer.arguments ?? []).length === 0;
  });
}

describe('leftovers', () => {
  // Put together so that this file does not hold what it looks for.
  const markers = new RegExp(`\\b(${['TO', 'FIX'].join('DO|')}ME)\\b`);

  test('no marker of unfinished work', () => {
    none(eachTextLine((line) => (markers.test(line) ? line.trim() : '')));
  });

  test('no test is switched off or run alone', () => {
    const off = new RegExp(`\\b(test|it|describe|suite)\\.(${['on', 'ski'].join('ly|')}p)\\b`);
    none(eachLine((line) => (off.test(line) ? line.trim() : '')));
  });

  test('no registry host and no path of one machine', () => {
    const registry = /https?:\/\/[\w.-]*(npm|registry|artifact|mirror)[\w.-]*\.[a-z]{2,}/i;
    const here = placesOfThisClone();
    none(
      eachTextLine((line) => {
        if (registry.test(line)) return line.trim().slice(0, 80);
        return here.some((place) => place.test(line)) ? line.trim().slice(0, 80) : '';
      }),
    );
  });
});

function eachTextLine(problem: (line: string) => string): string[] {
  return files.flatMap((path) =>
    readText(path)
      .split('\n')
      .flatMap((line, index) => {
        const found = problem(line);
        return found === '' ? [] : [`${path}:${index + 1} ${found}`];
      }),
  );
}

/** The clone's own path and its parent's, unless that is a directory which every machine has. */
function placesOfThisClone(): RegExp[] {
  const everywhere = /^\/($|(home|opt|root|srv|tmp|var|usr|mnt|media)(\/[\w.]+)?$)/;
  return [projectRoot, dirname(projectRoot)]
    .filter((path) => !everywhere.test(path))
    .map((path) => new RegExp(`(^|[\\s'"\`(=:])${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}/`));
}

describe('documentation', () => {
  test('docs/reference says what the sources say', async () => {
    const script = `${projectRoot}/scripts/docs.mjs`;
    await promisify(execFile)(process.execPath, [script, '--check'], { cwd: projectRoot });
  });
});
