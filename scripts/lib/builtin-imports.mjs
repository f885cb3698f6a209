/**
 * An esbuild plugin: of Node's own modules a bundle reads the names that it uses, and no others.
 *
 * An `import` of `node:http` (or crypto, util, process, …) reads every property that it has, and
 * behind some of these Node keeps what it loads on demand only: undici for a WebSocket, WebCrypto,
 * the standard streams. That was half of what an event with nothing to do cost.
 */
import { isBuiltin } from 'node:module';
import { relative } from 'node:path';
import { projectRoot } from './node.mjs';

const namespace = 'node-builtins';

/** @returns {import('esbuild').Plugin} */
export function builtinImports() {
  return {
    name: namespace,
    setup(build) {
      build.onResolve({ filter: /^(node:)?[a-z_0-9/]+$/ }, ({ path, kind, importer }) => {
        // What is required, or imported while the program runs, is fetched late as it is.
        if (kind !== 'import-statement' || !isBuiltin(path)) return undefined;
        const name = path.replace(/^node:/, '');
        // One for each importer: what several share would become a chunk, a file to load, each.
        const from = relative(projectRoot, importer);
        return { path: `${name} for ${from}`, namespace, pluginData: name, sideEffects: false };
      });
      build.onLoad({ filter: /.*/, namespace }, async ({ pluginData: name }) => ({
        contents: entryOf(`node:${name}`, Object.keys(await import(`node:${name}`))),
      }));
    },
  };
}

/** Every line is pure: whatever is not imported is left out with all that it would read. */
function entryOf(name, names) {
  const lines = [`const own = /* @__PURE__ */ process.getBuiltinModule('${name}');`];
  for (const each of names) {
    if (each === 'default') lines.push('export default own;');
    else lines.push(`export const ${each} = /* @__PURE__ */ (() => own.${each})();`);
  }
  return lines.join('\n');
}
