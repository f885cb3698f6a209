/** The question just before etcd's voters change: would most of them answer afterwards? */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../lib/std/errors.ts';
import { checkMajority } from '../../../src/charm/apply/etcd.ts';
import type { EtcdPeer, EtcdStatus } from '../../../src/charm/workload/ports.ts';

type Answer = 'leads' | 'leaderless' | 'silent' | 'never started';

const voter = (answer: Answer, number: number): EtcdPeer => ({
  id: `${number}`,
  name: answer === 'never started' ? '' : `postgresql-${number}`,
  peerUrl: `https://10.0.0.${number}:2380`,
  clientUrl: answer === 'never started' ? undefined : `https://10.0.0.${number}:2379`,
  learner: false,
});

/** @param answers what each voter says of itself */
function ask(answers: readonly Answer[]): Promise<void> {
  const voters = answers.map(voter);
  const status = async (url: string): Promise<EtcdStatus> => {
    const answer = answers[voters.findIndex(({ clientUrl }) => clientUrl === url)];
    if (answer === 'silent') throw new OperatorError({ code: 'etcd-unreachable', message: 'no' });
    const leaderId = answer === 'leads' ? '0' : undefined;
    return { id: url, leaderId, version: '3.4.23', raftIndex: 1, appliedIndex: 1 };
  };
  return checkMajority({ status }, voters);
}

describe('just before the voters change', () => {
  const enough: Answer[][] = [
    ['leads'],
    ['leads', 'leads'],
    ['leads', 'silent', 'leads'],
    ['leads', 'leads', 'leads', 'silent', 'never started'],
  ];
  for (const answers of enough) {
    test(`${answers.join(', ')}: go on`, () => ask(answers));
  }

  const tooFew: Answer[][] = [
    ['silent'],
    ['leaderless'],
    ['leads', 'silent'],
    ['leads', 'never started'],
    ['leads', 'leaderless', 'silent'],
    ['leads', 'leads', 'silent', 'silent'],
  ];
  for (const answers of tooFew) {
    test(`${answers.join(', ')}: refuse`, async () => {
      const would = `${answers.filter((answer) => answer === 'leads').length} of ${answers.length}`;
      const message = `cannot change the voters of etcd: ${would} would answer`;
      await assert.rejects(ask(answers), { code: 'voters-silent', message });
    });
  }
});
