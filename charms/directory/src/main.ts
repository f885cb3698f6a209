/** Entry of the directory: one process per event. */
import process from 'node:process';
import { dispatch } from '../../../lib/charm/dispatch.ts';
import { directory } from './charm.ts';

process.exitCode = await dispatch(directory);
