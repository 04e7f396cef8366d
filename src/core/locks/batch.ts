import { type Deferred, deferred } from '../deferred.ts';

interface Call<Question, Answer> {
  readonly question: Question;
  readonly answer: Deferred<Answer>;
}

/**
 * Puts what is asked at the same time into one round trip: the calls of one turn of the event loop, and
 * those that come while the last round is under way. One question of a key in a round, each at once
 * where nothing is under way.
 */
export class Batch<Question, Answer> {
  readonly #ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  readonly #keyOf: (question: Question) => string;
  readonly #largest: number;
  #waiting: Call<Question, Answer>[] = [];
  #isUnderWay = false;

  constructor(
    ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
    keyOf: (question: Question) => string,
    largest = 64,
  ) {
    this.#ask = ask;
    this.#keyOf = keyOf;
    this.#largest = largest;
  }

  add(question: Question): Promise<Answer> {
    const answer = deferred<Answer>();
    this.#waiting.push({ question, answer });
    if (!this.#isUnderWay) {
      this.#isUnderWay = true;
      queueMicrotask(() => void this.#run());
    }
    return answer.promise;
  }

  /** Takes back what was not sent yet: it gets no answer. False where it was sent. */
  withdraw(question: Question): boolean {
    const at = this.#waiting.findIndex((call) => call.question === question);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    return true;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const calls = this.#next();
      try {
        const answers = await this.#ask(calls.map(({ question }) => question));
        for (const [index, { answer }] of calls.entries()) answer.resolve(answers[index] as Answer);
      } catch (error) {
        for (const { answer } of calls) answer.reject(error);
      }
    }
    this.#isUnderWay = false;
  }

  /** In the order of their keys: two processes that ask for the same do not wait in a circle. */
  #next(): readonly Call<Question, Answer>[] {
    if (this.#waiting.length === 1) return this.#waiting.splice(0);
    const round = new Map<string, Call<Question, Answer>>();
    let later: Call<Question, Answer>[] = [];
    for (const [index, call] of this.#waiting.entries()) {
      if (round.size >= this.#largest) {
        later = later.concat(this.#waiting.slice(index));
        break;
      }
      const key = this.#keyOf(call.question);
      if (round.has(key)) later.push(call);
      else round.set(key, call);
    }
    this.#waiting = later;
    if (round.size === 1) return [...round.values()];
    return [...round.entries()]
      .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
      .map(([, call]) => call);
  }
}
