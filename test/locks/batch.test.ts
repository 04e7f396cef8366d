import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Batch } from '../../src/core/locks/batch.ts';
import { type Deferred, deferred } from '../support/wait.ts';

interface Round {
  readonly questions: readonly string[];
  readonly answers: Deferred<readonly string[]>;
}

/** Rounds are answered when the test says so. Questions of a key begin with the same letter. */
function stage(largest?: number) {
  const rounds: Round[] = [];
  const batch = new Batch<string, string>(
    (questions) => {
      const answers = deferred<readonly string[]>();
      rounds.push({ questions, answers });
      return answers.promise;
    },
    (question) => question.charAt(0),
    largest,
  );
  const answer = (round = rounds.at(-1)): void =>
    round?.answers.resolve(round.questions.map((question) => question.toUpperCase()));
  return { batch, rounds, answer, asked: () => rounds.map(({ questions }) => questions) };
}

test('what is asked in one turn is one round, in the order of its keys, each with its own answer', async () => {
  const { batch, asked, answer } = stage();
  const answers = ['c', 'a', 'b'].map((question) => batch.add(question));
  await turn();
  expect(asked()).toEqual([['a', 'b', 'c']]);
  answer();
  expect(await Promise.all(answers)).toEqual(['C', 'A', 'B']);
});

test('what comes while a round is under way is the next one', async () => {
  const { batch, asked, answer } = stage();
  const answers = [batch.add('z')];
  await turn();
  answers.push(batch.add('y'), batch.add('x'));
  await turn();
  expect(asked()).toEqual([['z']]);
  answer();
  await turn();
  expect(asked()).toEqual([['z'], ['x', 'y']]);
  answer();
  expect(await Promise.all(answers)).toEqual(['Z', 'Y', 'X']);
});

test('a key is asked once in a round, and in the order in which it came', async () => {
  const { batch, asked, answer } = stage();
  const answers = ['a1', 'b1', 'a2', 'a3'].map((question) => batch.add(question));
  for (let round = 0; round < 3; round += 1) {
    await turn();
    answer();
  }
  expect(asked()).toEqual([['a1', 'b1'], ['a2'], ['a3']]);
  expect(await Promise.all(answers)).toEqual(['A1', 'B1', 'A2', 'A3']);
});

test('a round has no more than the largest number, and the rest keeps its order', async () => {
  const { batch, asked, answer } = stage(2);
  const answers = ['e', 'd', 'c', 'b', 'a'].map((question) => batch.add(question));
  for (let round = 0; round < 3; round += 1) {
    await turn();
    answer();
  }
  expect(asked()).toEqual([['d', 'e'], ['b', 'c'], ['a']]);
  expect(await Promise.all(answers)).toEqual(['E', 'D', 'C', 'B', 'A']);
});

test('a round that fails fails for those in it, and the next one goes on', async () => {
  const { batch, rounds, answer } = stage();
  const failed = Promise.allSettled([batch.add('a'), batch.add('b')]);
  await turn();
  const later = batch.add('c');
  rounds[0]?.answers.reject(new Error('gone'));
  expect(await failed).toMatchObject([
    { status: 'rejected', reason: { message: 'gone' } },
    { status: 'rejected', reason: { message: 'gone' } },
  ]);
  await turn();
  answer();
  expect(await later).toBe('C');
});

test('what was not sent yet can be taken back, and what was sent cannot', async () => {
  const { batch, asked, answer } = stage();
  void batch.add('a');
  await turn();
  void batch.add('b');
  const kept = batch.add('c');
  expect([batch.withdraw('a'), batch.withdraw('b'), batch.withdraw('b')]).toEqual([
    false,
    true,
    false,
  ]);
  answer();
  await turn();
  answer();
  expect(await kept).toBe('C');
  expect(asked()).toEqual([['a'], ['c']]);
});
