/** Entry of the charm: one process per event. What an event does is the table in charm.ts. */
import process from 'node:process';
import { dispatch } from '../../lib/charm/dispatch.ts';
import { postgresql } from './charm.ts';

process.exitCode = await dispatch(postgresql);
