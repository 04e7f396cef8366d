import { describe, expect, test } from 'vitest';
import { guides, read } from './pages.ts';
import { holdOptions, managerOptions, marked, options, quoting, usual } from './tables.ts';

const update = 'npm run build && npx vitest run test/docs/tables.test.ts --update';
const quotingPages = guides.filter((page) => read(page).match(marked));

describe('what the guides quote from the code', () => {
  test('is much', () => {
    const names = guides.flatMap((page) =>
      [...read(page).matchAll(marked)].map(([, name]) => name),
    );
    expect(names).toEqual(
      expect.arrayContaining(['options', 'manager', 'hold', 'help run', 'help status', 'machine']),
    );
  });

  test.each(quotingPages)('is what the code says: %s', async (page) => {
    const now = await quoting(page);
    await expect(now, `${page} is out of date: ${update}`).toMatchFileSnapshot(`../../${page}`);
  });
});

describe('the docstrings of the options', () => {
  test('are all there, one sentence at least', () => {
    expect(options.length).toBeGreaterThan(20);
    expect(Math.min(managerOptions.length, holdOptions.length)).toBeGreaterThan(7);
    for (const { name, meaning } of [...options, ...managerOptions, ...holdOptions]) {
      expect(meaning, name).toMatch(/\w{2}[.:;)]/);
    }
  });

  const numbers = [...options, ...managerOptions].filter((option) =>
    /^[\d ]+(\.\d+)?( ms)?$/.test(option.default ?? ''),
  );

  test.each(numbers)('name the default that is used: $name, $default', (option) => {
    expect(Number.parseFloat(option.default?.replaceAll(' ', '') ?? '')).toBe(usual(option.name));
  });

  test('leave out no option that the types have', async () => {
    const { controllerOptions } = await import('../../src/core/options.ts');
    const { databaseOptions } = await import('../../src/postgres/connection.ts');
    const { lockManagerOptions } = await import('../../src/core/locks/settings.ts');
    const names = Object.keys({ ...controllerOptions, ...databaseOptions });
    expect(options.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
    const ofManagers = Object.keys({ ...lockManagerOptions, ...databaseOptions });
    expect(managerOptions.map(({ name }) => name)).toEqual(expect.arrayContaining(ofManagers));
  });
});
