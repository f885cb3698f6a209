/** Entry of the data-integrator: one process per event. */
import process from 'node:process';
import { dispatch } from '../../../lib/charm/dispatch.ts';
import { dataIntegrator } from './charm.ts';

process.exitCode = await dispatch(dataIntegrator);
