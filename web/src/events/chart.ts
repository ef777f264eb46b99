import { clock } from './clock';

const svgName = 'http://www.w3.org/2000/svg';
const height = 120;
const left = 4;
const right = 64;
const top = 10;
const bottom = 20;
const labelHeight = 14;

export interface Series {
  readonly name: string;
  /** One of the style sheet's: its colour and its dashes. */
  readonly style: 'first' | 'second' | 'bars';
  readonly values: readonly (number | undefined)[];
}

export interface ChartData {
  readonly times: readonly number[];
  readonly stepMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly series: readonly Series[];
}

/** Where a scale ends: a number that is easily read. */
export function niceMax(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(factor => factor * power).find(candidate => candidate >= value * 0.999_999)!;
}

/** Lines through what there is, and gaps where there is nothing. */
export function linePath(values: readonly (number | undefined)[], x: (index: number) => number, y: (value: number) => number): string {
  let path = '';
  let isDown = false;
  values.forEach((value, index) => {
    if (value === undefined) {
      isDown = false;
      return;
    }
    // One alone between gaps is a dot.
    path += `${isDown ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}${!isDown && values[index + 1] === undefined ? 'h0.1' : ''}`;
    isDown = true;
  });
  return path;
}

/** A small chart of time with the same figures as a table. What the pointer is over is said in its head. */
export class Chart {
  readonly element: HTMLElement;
  readonly #plot = document.createElementNS(svgName, 'svg');
  readonly #figure = document.createElement('span');
  readonly #unit = document.createElement('span');
  readonly #table = document.createElement('table');
  readonly #frame = document.createElement('div');
  readonly #name: string;
  readonly #format: (value: number) => string;
  #data: ChartData | undefined;
  #width = 480;
  #summary = '';
  #head = '';
  #isTable = false;

  constructor(name: string, format: (value: number) => string) {
    this.#name = name;
    this.#format = format;
    this.element = document.createElement('figure');
    this.element.className = 'chart';
    const caption = document.createElement('figcaption');
    const title = document.createElement('h3');
    title.textContent = name;
    this.#figure.className = 'chart-figure';
    this.#unit.className = 'unit';
    caption.append(title, this.#figure, this.#unit);
    this.#plot.setAttribute('class', 'plot');
    this.#plot.setAttribute('role', 'img');
    this.#frame.className = 'chart-table';
    this.#frame.tabIndex = 0;
    this.#frame.setAttribute('role', 'region');
    this.#frame.setAttribute('aria-label', `${name}, table`);
    this.#frame.append(this.#table);
    this.#frame.hidden = true;
    this.element.append(caption, this.#plot, this.#frame);
    // Drawn in the page's own pixels, so that letters keep their size.
    new ResizeObserver(([entry]) => {
      if (entry.contentRect.width === 0 || entry.contentRect.width === this.#width) return;
      this.#width = entry.contentRect.width;
      this.#refresh();
    }).observe(this.#plot);
    this.#plot.addEventListener('pointermove', event => this.#point(event));
    this.#plot.addEventListener('pointerleave', () => this.#say(this.#head, ''));
  }

  /** `head`: the newest figure; `summary`: what the picture shows, for those who do not see it. */
  show(data: ChartData, head: string, summary: string): void {
    this.#data = data;
    this.#head = head;
    this.#summary = summary;
    this.#refresh();
  }

  setTable(isTable: boolean): void {
    this.#isTable = isTable;
    this.#frame.hidden = !isTable;
    this.#plot.toggleAttribute('hidden', isTable);
    this.#refresh();
  }

  #refresh(): void {
    if (!this.#data) return;
    this.#say(this.#head, '');
    this.#plot.setAttribute('aria-label', `${this.#name}: ${this.#summary}`);
    if (this.#isTable) this.#fillTable(this.#data);
    else this.#draw(this.#data);
  }

  #say(figure: string, when: string): void {
    this.#figure.textContent = figure;
    this.#unit.textContent = when;
  }

  get #inner(): number {
    return this.#width - left - right;
  }

  #x(data: ChartData, atMs: number): number {
    return left + this.#inner * (atMs - data.fromMs) / Math.max(1, data.toMs - data.fromMs);
  }

  #draw(data: ChartData): void {
    this.#plot.setAttribute('viewBox', `0 0 ${this.#width} ${height}`);
    const all = data.series.flatMap(series => series.values.filter(value => value !== undefined));
    const max = niceMax(Math.max(0, ...all));
    const y = (value: number): number => height - bottom - (height - top - bottom) * value / max;
    const x = (index: number): number => this.#x(data, data.times[index] + data.stepMs / 2);
    const parts: SVGElement[] = [
      shape('line', { class: 'axis', x1: left, x2: this.#width - right, y1: y(0), y2: y(0) }),
      shape('line', { class: 'axis faint', x1: left, x2: this.#width - right, y1: y(max), y2: y(max) }),
    ];
    if (all.length > 0) parts.push(text(this.#width - right + 4, y(max) + 4, 'scale', this.#format(max)));
    for (const [share, anchor] of [[0, 'start'], [0.5, 'middle'], [1, 'end']] as const) {
      const atMs = data.fromMs + (data.toMs - data.fromMs) * share;
      parts.push(text(left + this.#inner * share, height - 5, `scale ${anchor}`, clock(atMs, data.toMs - data.fromMs)));
    }
    for (const series of data.series) {
      if (series.style !== 'bars') {
        parts.push(shape('path', { class: `line ${series.style}`, d: linePath(series.values, x, y) }));
        continue;
      }
      const wide = Math.max(2, this.#inner * data.stepMs / Math.max(1, data.toMs - data.fromMs) - 1);
      series.values.forEach((value, index) => {
        if (value) parts.push(shape('rect', { class: 'bars', x: x(index) - wide / 2, y: y(value), width: wide, height: y(0) - y(value) }));
      });
    }
    if (data.series.length > 1) {
      // At the end of each line, the highest first; none lies over another, or over the scale.
      let below = y(0) + labelHeight;
      for (const [place, series] of [...data.series.entries()].reverse()) {
        const last = series.values.findLast(value => value !== undefined);
        if (last === undefined) continue;
        below = Math.min(below - labelHeight, Math.max(y(last), y(max) + labelHeight * (place + 1)));
        parts.push(text(this.#width - right + 4, below + 4, `label ${series.style}`, series.name));
      }
    }
    this.#plot.replaceChildren(...parts);
  }

  #fillTable(data: ChartData): void {
    const names = ['Time', ...data.series.map(series => series.name)];
    const head = document.createElement('thead');
    head.append(row(names.map(name => cell('th', name, 'col'))));
    const body = document.createElement('tbody');
    for (let index = data.times.length - 1; index >= 0; index--) {
      const values = data.series.map(series => series.values[index]);
      if (values.every(value => value === undefined)) continue;
      body.append(row([
        cell('th', clock(data.times[index], data.toMs - data.fromMs), 'row'),
        ...values.map(value => cell('td', value === undefined ? '–' : this.#format(value))),
      ]));
    }
    this.#table.replaceChildren(head, body);
  }

  #point(event: PointerEvent): void {
    const data = this.#data;
    if (!data || data.times.length === 0) return;
    const box = this.#plot.getBoundingClientRect();
    const atMs = data.fromMs + ((event.clientX - box.left) / box.width * this.#width - left) / this.#inner * (data.toMs - data.fromMs);
    const index = Math.min(data.times.length - 1, Math.max(0, Math.floor((atMs - data.times[0]) / data.stepMs)));
    const said = data.series
      .map(series => [series.name, series.values[index]] as const)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => data.series.length > 1 ? `${name} ${this.#format(value!)}` : this.#format(value!));
    this.#say(said.length > 0 ? said.join(' · ') : '–', clock(data.times[index], data.toMs - data.fromMs));
  }
}

function shape(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(svgName, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, typeof value === 'number' ? String(Math.round(value * 10) / 10) : value);
  return made;
}

function text(x: number, y: number, style: string, content: string): SVGElement {
  const made = shape('text', { class: style, x, y });
  made.textContent = content;
  return made;
}

function row(cells: readonly HTMLElement[]): HTMLElement {
  const made = document.createElement('tr');
  made.append(...cells);
  return made;
}

function cell(name: 'th' | 'td', content: string, scope?: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = content;
  if (scope !== undefined) made.setAttribute('scope', scope);
  return made;
}
