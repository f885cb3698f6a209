/** Juju's newest 4.0 patch release whose behaviour the controller follows: JUJU_VERSION. */
export const CONTRACT_VERSION = '4.0.15';
