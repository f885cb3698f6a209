/** Entry of the monitoring charm: one process per event. */
import process from 'node:process';
import { dispatch } from '../../../lib/charm/dispatch.ts';
import { monitoring } from './charm.ts';

process.exitCode = await dispatch(monitoring);
