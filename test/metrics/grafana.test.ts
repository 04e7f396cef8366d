import { describe, expect, test } from 'vitest';
import { read } from '../docs/pages.ts';

interface Placed {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: unknown;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly refId: string; readonly datasource: unknown }[];
}

const dashboard = JSON.parse(read('ops/grafana.json'));
const panels: readonly Placed[] = dashboard.panels;

/** Each cell of the grid that a panel takes. */
const cellsOf = ({ gridPos: { x, y, w, h } }: Placed): string[] =>
  Array.from({ length: w * h }, (_, at) => `${x + (at % w)}:${y + Math.floor(at / w)}`);

describe('the dashboard', () => {
  test('can be imported anywhere: it names no server, and asks for the one to read from', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: how Grafana writes its variables
    const chosen = { type: 'prometheus', uid: '${datasource}' };
    const asked = panels.filter(({ type }) => type !== 'row');
    expect(asked.length).toBeGreaterThan(10);
    for (const { title, datasource, targets = [] } of asked) {
      expect([datasource, ...targets.map((each) => each.datasource)], title).toEqual(
        Array(targets.length + 1).fill(chosen),
      );
    }
    const variables = dashboard.templating.list.map((each: { name: string }) => each.name);
    expect(variables).toEqual(['datasource', 'name']);
    expect(dashboard).not.toHaveProperty('id');
  });

  test('draws no panel over another, and each is told apart', () => {
    const cells = panels.flatMap(cellsOf);
    expect(cells.filter((cell, at) => cells.indexOf(cell) !== at)).toEqual([]);
    expect(cells.filter((cell) => Number(cell.split(':')[0]) >= 24)).toEqual([]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    for (const { title, targets = [] } of panels) {
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
    }
  });
});
