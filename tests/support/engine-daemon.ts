/**
 * The engine in a process of its own, for tests that kill it: `engine-daemon.ts <D>`. Says "ready"
 * once it runs. SIGUSR2 tells it that another process has changed the store, SIGTERM ends it.
 */
import { streamLog } from '../../lib/std/log.ts';
import { Engine } from '../../src/controller/engine.ts';
import { Layout } from '../../src/controller/state/layout.ts';
import { Store } from '../../src/controller/state/store.ts';

const root = process.argv[2] ?? '';
const store = new Store(new Layout(root).database);
const engine = new Engine({ store, root, log: streamLog(process.stderr) });
process.on('SIGUSR2', () => engine.wake());
process.on('SIGTERM', () => {
  void engine.stop().then(() => process.exit(0));
});
await engine.start();
process.stdout.write('ready\n');
