/** Entry of the certificate authority: one process per event. */
import process from 'node:process';
import { dispatch } from '../../../lib/charm/dispatch.ts';
import { certificateAuthority } from './charm.ts';

process.exitCode = await dispatch(certificateAuthority);
