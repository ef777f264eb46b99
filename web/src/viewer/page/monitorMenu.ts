import { wholePicture } from '../../wire/limits';
import type { Monitor, Topology } from '../../wire/messages';

const svgNamespace = 'http://www.w3.org/2000/svg';
/** Room of the map in the menu, CSS pixels. */
const mapWidth = 232;
const mapHeight = 88;

interface Elements {
  readonly button: HTMLButtonElement;
  readonly label: HTMLElement;
  readonly menu: HTMLElement;
}

/** The choice of monitor: a map of how they stand, and the same as a list. Absent when there is nothing to choose. */
export class MonitorMenu {
  readonly #elements: Elements;
  readonly #onSelect: (monitor: number) => void;
  #topology: Topology | undefined;

  constructor(elements: Elements, onSelect: (monitor: number) => void) {
    this.#elements = elements;
    this.#onSelect = onSelect;
    elements.button.addEventListener('click', () => this.toggle());
    elements.menu.addEventListener('keydown', event => this.#keyDown(event));
    document.addEventListener('pointerdown', event => {
      const target = event.target as Node;
      if (this.isOpen && !elements.menu.contains(target) && !elements.button.contains(target)) this.close(false);
    });
  }

  get isOpen(): boolean {
    return !this.#elements.menu.hidden;
  }

  get hasChoice(): boolean {
    return (this.#topology?.monitors.length ?? 0) > 1;
  }

  /** The monitor shown, in words; empty for the only one. */
  get current(): string {
    const topology = this.#topology;
    if (!topology || topology.monitors.length < 2) return '';
    return topology.selected === wholePicture ? `All ${topology.monitors.length} screens` : nameOf(topology, topology.selected);
  }

  setTopology(topology: Topology): void {
    this.#topology = topology;
    const { button, label } = this.#elements;
    button.hidden = !this.hasChoice;
    label.replaceChildren(...this.#labelParts());
    button.title = `What to show: ${this.current} (m)`;
    if (!this.hasChoice) this.close(false);
    else if (this.isOpen) this.#fill();
  }

  /** The words of `current`; those in `label-detail` are left out where there is no room for them. */
  #labelParts(): (string | HTMLElement)[] {
    const topology = this.#topology;
    if (!topology || !this.hasChoice) return [];
    const detail = (text: string): HTMLElement => {
      const part = document.createElement('span');
      part.className = 'label-detail';
      part.textContent = text;
      return part;
    };
    if (topology.selected === wholePicture) return ['All', detail(` ${topology.monitors.length}`), ' screens'];
    const short = `Screen ${topology.selected + 1}`;
    return [short, detail(this.current.slice(short.length))];
  }

  toggle(): void {
    if (this.isOpen) this.close(true);
    else this.open();
  }

  open(): void {
    if (!this.hasChoice) return;
    const { menu, button } = this.#elements;
    this.#fill();
    menu.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    // Below its button, and never beyond the window's edge.
    const box = button.getBoundingClientRect();
    const below = (button.closest('header') ?? button).getBoundingClientRect().bottom;
    menu.style.left = `${Math.max(8, Math.min(box.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${below + 4}px`;
    menu.style.maxHeight = `${innerHeight - below - 12}px`;
    this.#items().find(item => item.getAttribute('aria-checked') === 'true')?.focus();
  }

  close(returnsFocus: boolean): void {
    if (!this.isOpen) return;
    this.#elements.menu.hidden = true;
    this.#elements.button.setAttribute('aria-expanded', 'false');
    if (returnsFocus) this.#elements.button.focus();
  }

  #items(): HTMLElement[] {
    return [...this.#elements.menu.querySelectorAll<HTMLElement>('[role=menuitemradio]')];
  }

  #fill(): void {
    const topology = this.#topology;
    if (!topology) return;
    const { menu } = this.#elements;
    const items = [
      this.#item(wholePicture, `All ${topology.monitors.length} screens`, `${topology.width} × ${topology.height}`, topology.selected),
      ...topology.monitors.map((monitor, index) => this.#item(index, nameOf(topology, index), detailOf(monitor), topology.selected)),
    ];
    menu.replaceChildren(this.#map(topology), ...items);
  }

  #item(monitor: number, name: string, detail: string, selected: number): HTMLElement {
    const item = document.createElement('button');
    item.type = 'button';
    item.className = 'menu-item';
    item.setAttribute('role', 'menuitemradio');
    item.setAttribute('aria-checked', String(monitor === selected));
    item.tabIndex = -1;
    const check = document.createElementNS(svgNamespace, 'svg');
    check.setAttribute('class', 'check');
    check.setAttribute('aria-hidden', 'true');
    const use = document.createElementNS(svgNamespace, 'use');
    use.setAttribute('href', '#icon-check');
    check.append(use);
    const label = document.createElement('span');
    label.className = 'clipped';
    label.textContent = name;
    const size = document.createElement('span');
    size.className = 'menu-detail';
    size.textContent = detail;
    item.append(check, label, size);
    item.addEventListener('click', () => this.#choose(monitor));
    item.addEventListener('pointerenter', () => this.#light(monitor));
    item.addEventListener('focus', () => this.#light(monitor));
    return item;
  }

  /** How the monitors stand beside each other, to scale. For the eye and the mouse; the list says the same. */
  #map(topology: Topology): SVGSVGElement {
    const map = document.createElementNS(svgNamespace, 'svg');
    map.setAttribute('class', 'map');
    map.setAttribute('aria-hidden', 'true');
    const left = Math.min(...topology.monitors.map(monitor => monitor.x));
    const top = Math.min(...topology.monitors.map(monitor => monitor.y));
    const right = Math.max(...topology.monitors.map(monitor => monitor.x + monitor.width));
    const bottom = Math.max(...topology.monitors.map(monitor => monitor.y + monitor.height));
    const scale = Math.min(mapWidth / (right - left), mapHeight / (bottom - top));
    map.setAttribute('viewBox', `0 0 ${mapWidth} ${mapHeight}`);
    const offsetX = (mapWidth - (right - left) * scale) / 2;
    const offsetY = (mapHeight - (bottom - top) * scale) / 2;
    topology.monitors.forEach((monitor, index) => {
      const group = document.createElementNS(svgNamespace, 'g');
      const isShown = topology.selected === wholePicture || topology.selected === index;
      group.setAttribute('class', isShown ? 'map-monitor shown' : 'map-monitor');
      group.dataset['monitor'] = String(index);
      const x = offsetX + (monitor.x - left) * scale;
      const y = offsetY + (monitor.y - top) * scale;
      const width = monitor.width * scale;
      const height = monitor.height * scale;
      const box = document.createElementNS(svgNamespace, 'rect');
      box.setAttribute('x', String(x + 1));
      box.setAttribute('y', String(y + 1));
      box.setAttribute('width', String(Math.max(1, width - 2)));
      box.setAttribute('height', String(Math.max(1, height - 2)));
      box.setAttribute('rx', '2');
      group.append(box);
      if (width >= 14 && height >= 12) {
        const number = document.createElementNS(svgNamespace, 'text');
        number.setAttribute('x', String(x + width / 2));
        number.setAttribute('y', String(y + height / 2));
        number.textContent = String(index + 1);
        group.append(number);
      }
      group.addEventListener('click', () => this.#choose(index));
      group.addEventListener('pointerenter', () => this.#light(index));
      map.append(group);
    });
    return map;
  }

  #light(monitor: number): void {
    for (const group of this.#elements.menu.querySelectorAll<SVGElement>('.map-monitor')) {
      group.classList.toggle('lit', monitor === wholePicture || group.dataset['monitor'] === String(monitor));
    }
  }

  #choose(monitor: number): void {
    this.#onSelect(monitor);
    this.close(true);
  }

  #keyDown(event: KeyboardEvent): void {
    const items = this.#items();
    const at = items.indexOf(document.activeElement as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (event.key in moves) items[(moves[event.key] + items.length) % items.length]?.focus();
    else if (event.key === 'Escape') this.close(true);
    else if (event.key === 'Tab') {
      this.close(true);
      return;
    } else if (/^[1-9]$/.test(event.key)) items[Number(event.key)]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function nameOf(topology: Topology, index: number): string {
  const { name, primary } = topology.monitors[index];
  return `Screen ${index + 1}${name ? ` · ${name}` : ''}${primary ? ' · primary' : ''}`;
}

function detailOf(monitor: Monitor): string {
  const scale = monitor.scaleMilli === 1_000 ? '' : ` at ${monitor.scaleMilli / 10} %`;
  const rotation = monitor.rotationDegrees === 0 ? '' : `, ${monitor.rotationDegrees}°`;
  return `${monitor.width} × ${monitor.height}${scale}${rotation}`;
}
