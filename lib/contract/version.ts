/** The Juju whose contract is kept: JUJU_VERSION. Its newest 4.0 patch release at this time. */
export const CONTRACT_VERSION = '4.0.15';
