/**
 * An esbuild plugin: `await import('library')` of a CommonJS library gives the same names in a
 * bundle as it does under Node.
 *
 * With splitting, esbuild gives such a chunk a default export only; Node also offers the names
 * that it finds in the file. So each chunk gets an entry of its own that lists Node's names.
 */
import { projectRoot } from './node.mjs';

const namespace = 'node-names';

/** @returns {import('esbuild').Plugin} */
export function namedDynamicImports() {
  return {
    name: namespace,
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) => {
        if (kind !== 'dynamic-import' || path.startsWith('node:')) return undefined;
        // Libraries know their own chunks; only what our sources import has to match Node.
        return importer.includes('/node_modules/') ? undefined : { path, namespace };
      });
      build.onLoad({ filter: /.*/, namespace }, async ({ path }) => ({
        contents: entryOf(path, await namesOf(path)),
        resolveDir: projectRoot,
      }));
    },
  };
}

async function namesOf(library) {
  return Object.keys(await import(library));
}

function entryOf(library, names) {
  const lines = [`import * as library from ${JSON.stringify(library)};`];
  for (const name of names) {
    if (name === 'default') lines.push('export default library.default;');
    else if (/^[A-Za-z_$][\w$]*$/.test(name)) {
      lines.push(`const own_${name} = library[${JSON.stringify(name)}];`);
      lines.push(`export { own_${name} as ${name} };`);
    }
  }
  return lines.join('\n');
}
