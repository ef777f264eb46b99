import { moment } from './clock';
import type { HeldEvent, HeldEvents } from './held';

/** Rows beyond what is seen, above and below: a key press finds the next one there. */
const spareRows = 8;

export interface TimelineElements {
  readonly list: HTMLElement;
  readonly rows: HTMLElement;
  readonly sizer: HTMLElement;
}

/**
 * The list of events: only the rows that are seen are in the page. What comes while somebody reads further down moves nothing:
 * the list grows above.
 */
export class Timeline {
  readonly #elements: TimelineElements;
  readonly #events: HeldEvents;
  readonly #open: (event: HeldEvent) => void;
  readonly #drawn = new Map<string, HTMLElement>();
  /** Of the event that the keyboard is at; the list has one place in the order of the Tab key. */
  #current: string | undefined;
  #nowMs = 0;

  constructor(elements: TimelineElements, events: HeldEvents, open: (event: HeldEvent) => void) {
    this.#elements = elements;
    this.#events = events;
    this.#open = open;
    elements.rows.addEventListener('scroll', () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(elements.rows);
    elements.list.addEventListener('keydown', event => this.#key(event));
    elements.sizer.addEventListener('click', event => {
      const row = (event.target as Element).closest<HTMLElement>('.row');
      const index = row ? Number(row.dataset['index']) : -1;
      if (index >= 0) this.#choose(index, true);
    });
  }

  get isAtTop(): boolean {
    return this.#elements.rows.scrollTop < this.#rowHeight;
  }

  toTop(): void {
    this.#elements.rows.scrollTop = 0;
    this.#draw();
  }

  /** Draws what there is now; `added`: so many came since the last time. */
  update(added: number, nowMs: number): void {
    this.#nowMs = nowMs;
    const { rows, list } = this.#elements;
    const stays = added > 0 && (!this.isAtTop || rows.contains(document.activeElement));
    this.#resize();
    if (stays) rows.scrollTop += added * this.#rowHeight;
    list.setAttribute('aria-rowcount', String(this.#events.count + 1));
    this.#draw();
  }

  get #rowHeight(): number {
    return parseInt(getComputedStyle(this.#elements.list).getPropertyValue('--row'), 10);
  }

  #resize(): void {
    this.#elements.sizer.style.height = `${this.#events.count * this.#rowHeight}px`;
  }

  #draw(): void {
    const { rows, sizer } = this.#elements;
    const height = this.#rowHeight;
    this.#resize();
    const first = Math.max(0, Math.floor(rows.scrollTop / height) - spareRows);
    const last = Math.min(this.#events.count, Math.ceil((rows.scrollTop + rows.clientHeight) / height) + spareRows);
    const wanted = new Set<string>();
    for (let index = first; index < last; index++) wanted.add(this.#events.at(index).position);
    for (const [position, row] of this.#drawn) {
      if (wanted.has(position)) continue;
      if (row === document.activeElement) rows.focus({ preventScroll: true }); // scrolled away; the keys go on from what is seen
      row.remove();
      this.#drawn.delete(position);
    }
    let before: HTMLElement | null = null;
    let isReachable = false;
    for (let index = first; index < last; index++) {
      const event = this.#events.at(index);
      const row = this.#drawn.get(event.position) ?? this.#make(event);
      row.style.transform = `translateY(${index * height}px)`;
      row.dataset['index'] = String(index);
      row.setAttribute('aria-rowindex', String(index + 2));
      row.tabIndex = event.position === this.#current ? 0 : -1;
      isReachable ||= event.position === this.#current;
      // In the order in which they are read; one that is in its place is not moved, which would take its focus.
      const place: Element | null = before ? before.nextElementSibling : sizer.firstElementChild;
      if (place !== row) sizer.insertBefore(row, place);
      before = row;
    }
    if (!isReachable && last > first) this.#drawn.get(this.#events.at(Math.min(last - 1, Math.ceil(rows.scrollTop / height))).position)!.tabIndex = 0;
  }

  #make(event: HeldEvent): HTMLElement {
    const row = document.createElement('div');
    row.className = event.isAlert ? 'row alert' : event.topic === 'errors' || event.topic === 'dead-letters' ? 'row error' : 'row';
    row.setAttribute('role', 'row');
    for (const [style, content] of [['time', moment(event.atMs, this.#nowMs)], ['topic', event.topic], ['host', event.host], ['what', event.text]] as const) {
      const cell = document.createElement('span');
      cell.className = style;
      cell.setAttribute('role', 'gridcell');
      cell.textContent = content;
      row.append(cell);
    }
    this.#drawn.set(event.position, row);
    return row;
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#events.count === 0) return;
    const row = (event.target as Element).closest<HTMLElement>('.row[data-index]');
    const index = row ? Number(row.dataset['index']) : Math.ceil(this.#elements.rows.scrollTop / this.#rowHeight) - 1;
    const page = Math.max(1, Math.floor(this.#elements.rows.clientHeight / this.#rowHeight) - 1);
    const steps: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + page, PageUp: index - page, Home: 0, End: this.#events.count - 1 };
    if (event.key === 'Enter' && row) this.#choose(index, true);
    else if (event.key in steps) this.#choose(Math.min(this.#events.count - 1, Math.max(0, steps[event.key])), false);
    else return;
    event.preventDefault();
  }

  #choose(index: number, opens: boolean): void {
    const event = this.#events.at(index);
    this.#current = event.position;
    const { rows } = this.#elements;
    const height = this.#rowHeight;
    if (index * height < rows.scrollTop) rows.scrollTop = index * height;
    else if ((index + 1) * height > rows.scrollTop + rows.clientHeight) rows.scrollTop = (index + 1) * height - rows.clientHeight;
    this.#draw();
    this.#drawn.get(event.position)!.focus({ preventScroll: true });
    if (opens) this.#open(event);
  }
}
