/** The script that becomes a service. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startScript } from '../../../lib/machine/services.ts';

test('a copy of what a service reads is whole whenever somebody looks at it', () => {
  const spec = { command: ['/bin/true'], env: {}, reads: '/etc/its own.yaml' };
  const lines = startScript(spec).split('\n');
  const copies = lines.filter((line) => line.includes('its own.yaml'));
  assert.deepEqual(copies, [`cp -p '/etc/its own.yaml' read.new && mv -f read.new read`]);
});
