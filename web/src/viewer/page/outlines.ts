import type { Outline } from '../messages';
import type { Rectangle } from '../worker/geometry';

const svgNamespace = 'http://www.w3.org/2000/svg';
/** Flashes at a time; more say nothing. */
const flashesMax = 256;

/** Where video lies over the picture, and where exact pixels have just come back: drawn over it, in its coordinates. */
export class Outlines {
  readonly #overlay: SVGSVGElement;
  readonly #regions = document.createElementNS(svgNamespace, 'g');
  readonly #flashes = document.createElementNS(svgNamespace, 'g');

  constructor(overlay: SVGSVGElement) {
    this.#overlay = overlay;
    overlay.append(this.#flashes, this.#regions);
    // A flash is over when its fading is.
    overlay.addEventListener('animationend', event => (event.target as Element).remove());
  }

  get isOn(): boolean {
    return !this.#overlay.hasAttribute('hidden');
  }

  setOn(isOn: boolean): void {
    this.#overlay.toggleAttribute('hidden', !isOn);
    this.#regions.replaceChildren();
    this.#flashes.replaceChildren();
  }

  /** The part of the picture that the canvas holds. */
  setView({ x, y, width, height }: Rectangle): void {
    this.#overlay.setAttribute('viewBox', `${x} ${y} ${width} ${height}`);
  }

  show(regions: readonly Outline[], refined: readonly Rectangle[]): void {
    if (!this.isOn) return;
    this.#regions.replaceChildren(...regions.flatMap(region => [
      ...region.parts.map(part => box(part, 'outline-covered')),
      // Dark below the dashes, so that they are seen on any picture.
      box(region, 'outline-edge'),
      box(region, 'outline-region'),
    ]));
    this.#flashes.append(...refined.map(area => box(area, 'outline-refined')));
    while (this.#flashes.childElementCount > flashesMax) this.#flashes.firstElementChild?.remove();
  }
}

function box({ x, y, width, height }: Rectangle, name: string): SVGRectElement {
  const rectangle = document.createElementNS(svgNamespace, 'rect');
  for (const [attribute, value] of Object.entries({ x, y, width, height })) rectangle.setAttribute(attribute, String(value));
  rectangle.setAttribute('class', name);
  return rectangle;
}
